import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { connectDatabase } from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';

// A server starts on a machine that other suites keep busy.
jest.setTimeout(60_000);

/** A network between client and database that can swallow everything, closing nothing. */
class Network {
  silent = false;
  private readonly sockets: Socket[] = [];
  private readonly server: Server;

  constructor(port: number) {
    this.server = createServer((client) => {
      const database = connect(port, '127.0.0.1');
      this.sockets.push(client, database);
      for (const [from, to] of [
        [client, database],
        [database, client],
      ] as const) {
        from.on('data', (data) => {
          if (!this.silent) to.write(data);
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          if (!this.silent) to.end();
        });
      }
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

let here: Installation;
beforeAll(async () => {
  here = await startInstallation();
});
afterAll(() => here.stop());

test('a connection that nothing comes back on fails in its time, frees its locks, and is replaced', async () => {
  const direct = new URL(here.postgres.url);
  const network = new Network(Number(direct.port));
  const through = new URL(direct);
  through.port = String(await network.listen());
  const answerMilliseconds = 1000;
  const database = await connectDatabase(through.href, { answerMilliseconds, poolSize: 2 });
  try {
    const lock = 4711;
    const started = performance.now();
    const transaction = database.transaction(async (tx) => {
      await tx.query('SELECT pg_advisory_xact_lock($1)', [lock]);
      network.silent = true;
      await tx.query('SELECT 1');
    });
    await expect(transaction).rejects.toThrow(/timeout/i);
    await expect(database.pool.query('SELECT 1')).rejects.toThrow(/timeout/i);
    expect(performance.now() - started).toBeLessThan(8 * answerMilliseconds);

    // The server has let go of what the silent client held: with the same patience the lock can be had.
    const other = await connectDatabase(here.postgres.url, { answerMilliseconds: 5000 });
    await other.transaction((tx) => tx.query('SELECT pg_advisory_xact_lock($1)', [lock]));
    await other.close();

    network.silent = false;
    const { rows } = await database.pool.query<{ answer: number }>('SELECT 42 AS answer');
    expect(rows).toEqual([{ answer: 42 }]);
  } finally {
    network.close();
    await database.close();
  }
});

test('the server cancels a statement that takes longer than its client waits', async () => {
  const database = await connectDatabase(here.postgres.url, { answerMilliseconds: 300 });
  await expect(database.pool.query('SELECT pg_sleep(20)')).rejects.toThrow('statement timeout');
  await database.close();
});
