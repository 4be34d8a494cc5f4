import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { UsageError } from './errors.js';

/** What `up` leaves in its data folder for the other commands; readable by its user only. */
const connectionFile = z.object({ url: z.url(), token: z.string(), pid: z.int() });
export type Connection = z.output<typeof connectionFile>;

export type Environment = Readonly<Record<string, string | undefined>>;

/** The data folder: `--folder`, else FERMENT_HOME, else `.ferment` in the home folder. */
export function dataFolder(folder: string | undefined, env: Environment): string {
  return resolve(folder ?? env['FERMENT_HOME'] ?? join(homedir(), '.ferment'));
}

const fileIn = (folder: string) => join(folder, 'connection.json');

export async function writeConnection(folder: string, connection: Connection): Promise<void> {
  await writeFile(fileIn(folder), `${JSON.stringify(connection, null, 2)}\n`, { mode: 0o600 });
  await chmod(fileIn(folder), 0o600);
}

export async function readConnection(folder: string): Promise<Connection | null> {
  const text = await readFile(fileIn(folder), 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return connectionFile.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export async function removeConnection(folder: string): Promise<void> {
  await rm(fileIn(folder), { force: true });
}

/**
 * Address and token of the API: FERMENT_URL and FERMENT_TOKEN, else what `up` wrote into the data folder.
 *
 * @throws UsageError when neither is there, saying what to do
 */
export async function findApi(
  folder: string | undefined,
  env: Environment,
): Promise<{ url: string; token: string }> {
  const [url, token] = [env['FERMENT_URL'], env['FERMENT_TOKEN']];
  if (url && token && folder === undefined) return { url, token };
  if (url && folder === undefined)
    throw new UsageError(
      'FERMENT_URL is set but FERMENT_TOKEN is not: set it to a token of that installation.',
    );
  const where = dataFolder(folder, env);
  const connection = await readConnection(where);
  if (connection === null)
    throw new UsageError(
      `No running Ferment in ${where}. Start one with "ferment up", name another folder with --folder, or set FERMENT_URL and FERMENT_TOKEN.`,
    );
  return connection;
}
