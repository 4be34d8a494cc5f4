import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Logger } from '@ferment/platform';

export type Note = (text: string) => void;

/** The launcher's database: the one a setting names, or an embedded PostgreSQL that is kept alive. */
export interface RunningDatabase {
  url: string;
  stop(): Promise<void>;
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: 2000 });
    const end = (answer: boolean) => {
      socket.destroy();
      done(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

function loggerOf(note: Note): Pick<Logger, 'info' | 'warn'> {
  const write = (...words: unknown[]) => {
    const text = words.filter((word) => typeof word === 'string').join(' ');
    if (text) note(text);
  };
  return { info: () => undefined, warn: write };
}

/** Starts PostgreSQL in the data folder; when it ends by itself it is started again on the same port. */
export async function startDatabase(folder: string, note: Note): Promise<RunningDatabase> {
  const { startEmbeddedPostgres } = await import('@ferment/platform');
  const options = { folder: join(folder, 'postgres'), log: loggerOf(note) };
  let server = await startEmbeddedPostgres(options);
  const port = Number(new URL(server.url).port);
  let stopped = false;
  let missed = 0;
  let restarting: Promise<void> = Promise.resolve();
  const watch = setInterval(() => {
    restarting = restarting.then(async () => {
      if (stopped) return;
      missed = (await answers('127.0.0.1', port)) ? 0 : missed + 1;
      if (stopped || missed < 2) return;
      note('PostgreSQL is gone; starting it again');
      server = await startEmbeddedPostgres({ ...options, port });
      missed = 0;
    });
    restarting.catch((error: unknown) => {
      note(`PostgreSQL did not start: ${error instanceof Error ? error.message : String(error)}`);
      restarting = Promise.resolve();
    });
  }, 1000);
  return {
    url: server.url,
    async stop() {
      stopped = true;
      clearInterval(watch);
      await restarting.catch(() => undefined);
      await server.stop();
    },
  };
}

/**
 * Brings the schema up to date and gives the launcher's own admin token: the one in the folder's `token` file while it
 * is valid, else a new one.
 */
export async function prepareDatabase(
  url: string,
  folder: string,
): Promise<{ token: string; migrations: string[] }> {
  const { connectDatabase, migrate, Tokens } = await import('@ferment/platform');
  const { applied } = await migrate(url);
  const database = await connectDatabase(url, { poolSize: 1 });
  try {
    const tokens = new Tokens(database);
    const file = join(folder, 'token');
    const kept = await readFile(file, 'utf8').catch(() => '');
    if (kept && (await tokens.verify(kept.trim())) !== null)
      return { token: kept.trim(), migrations: applied };
    const { token } = await tokens.create({ name: 'up', role: 'admin' });
    await writeFile(file, `${token}\n`, { mode: 0o600 });
    return { token, migrations: applied };
  } finally {
    await database.close();
  }
}
