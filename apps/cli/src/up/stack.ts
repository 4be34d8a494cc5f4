import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Client } from '../client.js';
import { removeConnection, writeConnection } from '../connection.js';
import type { Environment } from '../connection.js';
import { UsageError, WorkFailed } from '../errors.js';
import { prepareDatabase, startDatabase } from './database.js';
import type { Note } from './database.js';
import { takeLock } from './lock.js';
import { choosePort } from './ports.js';
import { endProcess, ProcessRecords } from './processes.js';
import { Supervised } from './supervised.js';

export interface StackOptions {
  folder: string;
  /** Taken as it is; without one the first free port from 4747 on. */
  port?: number;
  env: Environment;
  /** CPU slots of the worker; its own default without. */
  threads?: number;
  note: Note;
  signal: AbortSignal;
}

export interface Stack {
  url: string;
  token: string;
  /** Ends worker, API and database in this order and lets go of the folder. */
  stop(): Promise<void>;
}

export type StackOutcome = { started: true; stack: Stack } | { started: false; pid: number };

const apps = resolve(import.meta.dirname, '../../..');
const programs = { api: join(apps, 'api/dist/main.js'), worker: join(apps, 'worker/dist/main.js') };
const host = '127.0.0.1';

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

async function untilTrue(
  what: string,
  child: Supervised,
  probe: () => Promise<boolean>,
  signal: AbortSignal,
) {
  const limit = Date.now() + 90_000;
  for (;;) {
    if (signal.aborted) throw new WorkFailed('Stopped while starting.');
    if (await probe().catch(() => false)) return;
    if (child.recentDeaths >= 3 || Date.now() > limit)
      throw new WorkFailed(`${what} did not start. The last lines of its log:\n${await child.lastWords()}`);
    await pause(50);
  }
}

/**
 * Starts everything on this machine in one data folder: PostgreSQL (unless FERMENT_DATABASE_URL names one), the API
 * and one worker, each restarted when it dies. Leftovers of a launcher that was killed are ended first.
 *
 * @returns `started: false` when another launcher already runs on the folder
 * @throws UsageError for a port that is taken or a checkout that is not built; WorkFailed when a part does not start
 */
export async function startStack(options: StackOptions): Promise<StackOutcome> {
  const { folder, note } = options;
  for (const program of Object.values(programs))
    if (!existsSync(program)) throw new UsageError('Ferment is not built yet. Run: npm run setup');
  const logs = join(folder, 'logs');
  await mkdir(logs, { recursive: true });
  const lock = await takeLock(join(folder, 'up.lock'));
  if (!lock.held) return { started: false, pid: lock.by.pid };
  const undo: (() => Promise<void>)[] = [() => lock.release(), () => removeConnection(folder)];
  const stop = async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  try {
    const records = new ProcessRecords(join(folder, 'processes.json'));
    if (lock.stale) note(`Cleaning up after process ${lock.stale.pid}, which ended without stopping.`);
    await removeConnection(folder);
    for (const [name, orphan] of await records.orphans()) {
      note(`Ending the ${name} (process ${orphan.pid}) it left behind.`);
      await endProcess(orphan, 10_000);
    }
    const port = await choosePort(options.port, host);
    undo.push(() => records.written());
    const external = options.env['FERMENT_DATABASE_URL'];
    const database = external ? { url: external, stop: async () => {} } : await startDatabase(folder, note);
    undo.push(() => database.stop());
    const { token, migrations } = await prepareDatabase(database.url, folder);
    if (migrations.length > 0) note(`Database schema: ${migrations.length} migrations applied.`);

    const env = {
      ...options.env,
      FERMENT_DATABASE_URL: database.url,
      FERMENT_DATA: folder,
      FERMENT_HOST: host,
      FERMENT_PORT: String(port),
      ...(options.threads === undefined ? {} : { FERMENT_WORKER_THREADS: String(options.threads) }),
    };
    const child = (name: keyof typeof programs) => {
      const supervised = new Supervised({
        name,
        program: programs[name],
        env,
        logFile: join(logs, `${name}.log`),
        patience: 15_000,
        onStart: (pid) => records.set(name, pid),
        onDeath: (how, delay) => note(`The ${name} ended (${how}); starting it again in ${delay / 1000} s.`),
      });
      undo.push(() => supervised.stop());
      return supervised;
    };
    const url = `http://${host}:${port}`;
    const client = new Client(url, token);
    // Side by side: both find the database prepared, and loading their programs is most of a start.
    const api = child('api');
    const worker = child('worker');
    await untilTrue('The API', api, async () => (await fetch(`${url}/ready`)).ok, options.signal);
    const active = async () =>
      (await client.workers()).some(({ state, pid }) => state === 'active' && pid === worker.pid);
    await untilTrue('The worker', worker, active, options.signal);
    await records.written();
    await writeConnection(folder, { url, token, pid: process.pid });
    return { started: true, stack: { url, token, stop } };
  } catch (error) {
    await stop();
    throw error;
  }
}
