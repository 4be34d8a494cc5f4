import { join } from 'node:path';
import type { CheckFinding } from '@ferment/contracts';
import { Client } from '../client.js';
import { readConnection, type Environment } from '../connection.js';
import { ApiError, isPassing } from '../errors.js';

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function told(level: CheckFinding['level'], found: string, remedy: string | null): CheckFinding {
  return { name: 'API', level, found, expected: null, remedy };
}

/**
 * What the API of a folder, or of FERMENT_URL, finds in its database, queue, store and workers. Where none answers the
 * same is looked at from here: with the database that FERMENT_DATABASE_URL names, or that runs in the folder.
 *
 * @param options `--folder` goes before FERMENT_URL, as for all commands
 */
export async function examineInstallation(
  folder: string,
  options: { folder?: string },
  env: Environment,
): Promise<CheckFinding[]> {
  const [url, token] = [env['FERMENT_URL'], env['FERMENT_TOKEN']];
  const given = url && token && options.folder === undefined ? { url, token } : null;
  const api = given ?? (await readConnection(folder));
  if (api === null) {
    const direct = await examineDirectly(folder, env);
    const running = direct.length > 0;
    const found = running ? 'none answers; looked at the parts from here' : 'not running on this folder';
    return [told(running ? 'failure' : 'ok', found, running ? 'ferment up' : null), ...direct];
  }
  try {
    const findings = await new Client(api.url, api.token).doctor();
    return [told('ok', api.url, null), ...findings];
  } catch (error) {
    const found = `${api.url}: ${words(error)}`;
    if (error instanceof ApiError && !isPassing(error))
      return [told('failure', found, 'use the token of an administrator')];
    const remedy = given
      ? 'start the API, or correct FERMENT_URL'
      : `ferment up; see ${join(folder, 'logs/api.log')}`;
    return [told('failure', found, remedy), ...(await examineDirectly(folder, env))];
  }
}

/** Empty where nothing says which database it would be, or none runs. */
async function examineDirectly(folder: string, env: Environment): Promise<CheckFinding[]> {
  const { examineSettings, readSettings, runningPostgres } = await import('@ferment/platform');
  const database = env['FERMENT_DATABASE_URL'] || (await runningPostgres(join(folder, 'postgres')));
  if (!database) return [];
  try {
    const settings = readSettings({ FERMENT_DATA: folder, ...env, FERMENT_DATABASE_URL: database });
    return await examineSettings(settings);
  } catch (error) {
    return [
      { name: 'settings', level: 'failure', found: words(error), expected: null, remedy: 'docs/settings.md' },
    ];
  }
}
