import { afterAll, beforeAll, describe, expect, test, jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';
import { freePort, temporaryFolder, until } from '../../../test/support/services.js';
import { connectDatabase, migrate, startEmbeddedPostgres, type EmbeddedPostgres } from '../src/index.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(60_000);

const log = { info: () => undefined, warn: () => undefined };
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: EmbeddedPostgres;
beforeAll(async () => {
  folder = await temporaryFolder();
  server = await startEmbeddedPostgres({ folder: folder.path, log });
});
afterAll(async () => {
  await server.stop();
  await folder.remove();
});

async function query<T extends pg.QueryResultRow>(text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query<T>(text)).rows;
  } finally {
    await client.end();
  }
}

const pidFile = () => path.join(folder.path, 'data/postmaster.pid');
const serverPid = async () => Number((await readFile(pidFile(), 'utf8')).split('\n')[0]);

/** Ends the server as a power cut would, and waits until the process is gone. */
async function kill(): Promise<void> {
  const pid = await serverPid();
  process.kill(pid, 'SIGKILL');
  await until('the server is gone', () => {
    try {
      process.kill(pid, 0);
      return Promise.resolve(false);
    } catch {
      return Promise.resolve(true);
    }
  });
}

describe('embedded PostgreSQL', () => {
  test('listens on loopback only, and asks for the password', async () => {
    const rows = await query<{ listen_addresses: string }>('SHOW listen_addresses');
    expect(rows).toEqual([{ listen_addresses: '127.0.0.1' }]);
    const wrong = new URL(server.url);
    wrong.password = 'guess';
    const client = new pg.Client({ connectionString: wrong.href });
    await expect(client.connect()).rejects.toThrow('password authentication failed');
  });

  test('recovers what was committed before it was killed, and passes over its stale pid file', async () => {
    await query('CREATE TABLE kept AS SELECT 42 AS answer');
    await kill();
    server = await startEmbeddedPostgres({ folder: folder.path, log });
    expect(await query('SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    // A pid file that names a living process which is no server.
    await server.stop();
    const lines = [process.pid, path.join(folder.path, 'data'), 0, 5432, '', '127.0.0.1'];
    await writeFile(pidFile(), `${lines.join('\n')}\n`);
    server = await startEmbeddedPostgres({ folder: folder.path, log });
    expect(await query('SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await query('DROP TABLE kept');
  });

  test('a server left running by a killed launcher is taken over, not started twice', async () => {
    const pid = await serverPid();
    const again = await startEmbeddedPostgres({ folder: folder.path, log });
    expect(again.url).toBe(server.url);
    expect(await serverPid()).toBe(pid);
    await again.stop();
    await expect(query('SELECT 1')).rejects.toThrow();
    const port = await freePort();
    server = await startEmbeddedPostgres({ folder: folder.path, port, log });
    expect(new URL(server.url).port).toBe(String(port));
  });

  test('says what the log says when it cannot start', async () => {
    const broken = path.join(folder.path, 'broken');
    await mkdir(path.join(broken, 'data'), { recursive: true });
    await writeFile(path.join(broken, 'data/PG_VERSION'), '9.6\n');
    await writeFile(path.join(broken, 'password'), 'x\n');
    await expect(startEmbeddedPostgres({ folder: broken, log })).rejects.toThrow(/ended while it started/);
  });
});

describe('migrations', () => {
  test('many processes may migrate at once; each migration is applied and recorded once', async () => {
    const runs = await Promise.all([migrate(server.url), migrate(server.url), migrate(server.url)]);
    const applied = runs.flatMap((run) => run.applied);
    expect(new Set(applied).size).toBe(applied.length);
    expect(applied.length).toBeGreaterThan(0);
    expect((await migrate(server.url)).applied).toEqual([]);
    const recorded = await query<{ migration_name: string }>(
      'SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND applied_steps_count = 1 ORDER BY 1',
    );
    expect(recorded.map((row) => row.migration_name)).toEqual([...applied].sort());
  });

  test('lead to the schema that the client was generated from', async () => {
    const script = `import('./scripts/schema-engine.mjs').then(async ({ migrationTo }) => process.stdout.write(await migrationTo(process.argv[1])))`;
    const child = spawn(process.execPath, ['-e', script, server.url], {
      cwd: path.resolve(import.meta.dirname, '../../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let difference = '';
    child.stdout.on('data', (chunk: Buffer) => (difference += chunk.toString()));
    const status = await new Promise((resolve) => child.on('exit', resolve));
    expect({ status, difference }).toEqual({ status: 0, difference: '' });
  });

  test('the database refuses a state that is in no table of states', async () => {
    await expect(
      query(
        `INSERT INTO job (key, kind, params, resource, threads, state) VALUES ('k', 'train', '{}', 'cpu', 1, 'done')`,
      ),
    ).rejects.toThrow('job_state_known');
  });

  test('one that was changed after it was applied is refused', async () => {
    await query(`UPDATE _prisma_migrations SET checksum = repeat('0', 64)`);
    await expect(migrate(server.url)).rejects.toThrow('was changed after it was applied');
  });
});

describe('transactions', () => {
  test('the victim of a deadlock runs again', async () => {
    const database = await connectDatabase(server.url);
    await query('CREATE TABLE pair AS SELECT * FROM (VALUES (1, 0), (2, 0)) AS p(id, n)');
    const add = (tx: { query(text: string, values: unknown[]): Promise<unknown> }, id: number) =>
      tx.query('UPDATE pair SET n = n + 1 WHERE id = $1', [id]);
    let waiting = 0;
    const bothHoldOne = async (): Promise<void> => {
      waiting += 1;
      await until('both hold a row', () => Promise.resolve(waiting >= 2));
    };
    const both = (first: number, second: number) =>
      database.transaction(async (tx) => {
        await add(tx, first);
        await bothHoldOne();
        await add(tx, second);
      });
    await Promise.all([both(1, 2), both(2, 1)]);
    expect(await query('SELECT n FROM pair')).toEqual([{ n: 2 }, { n: 2 }]);
    await database.close();
  });
});
