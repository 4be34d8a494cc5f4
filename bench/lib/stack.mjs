// An installation of real processes for benchmarks: embedded PostgreSQL, Redis where it is asked for, the API, and one
// worker whose children compute nothing.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  connectDatabase,
  createLogger,
  migrate,
  prepareQueue,
  readSettings,
  startEmbeddedPostgres,
  Tokens,
} from '@ferment/platform';

import { freePort } from './free-port.mjs';
import { parentOf, processorSeconds } from './processes.mjs';

const repository = resolve(import.meta.dirname, '../..');
const log = createLogger('bench', 'warn');

const accepts = (port) =>
  new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (answer) => {
      socket.destroy();
      done(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });

async function ended(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}

async function startRedis(folder) {
  const port = await freePort();
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    folder,
    '--appendonly',
    'yes',
    '--save',
    '',
  ];
  const child = spawn('redis-server', args, { stdio: 'ignore' });
  const failed = once(child, 'error').then(([error]) => Promise.reject(error));
  const ready = (async () => {
    while (!(await accepts(port))) await new Promise((next) => setTimeout(next, 20));
  })();
  await Promise.race([ready, failed]);
  return { url: `redis://127.0.0.1:${port}`, pid: child.pid, stop: () => ended(child) };
}

/** Starts a program of ours and waits for its first message. */
async function startProgram(program, environment) {
  const child = fork(join(repository, program), [], {
    env: { ...process.env, ...environment },
    execArgv: (process.env.FERMENT_BENCH_NODE ?? '').split(' ').filter(Boolean),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const gone = once(child, 'exit').then(([code]) =>
    Promise.reject(new Error(`${program} ended with ${code}`)),
  );
  gone.catch(() => undefined);
  const [message] = await Promise.race([once(child, 'message'), gone]);
  return { message, pid: child.pid, stop: () => ended(child) };
}

/**
 * @param queue `postgres` or `redis`
 * @param slots  jobs at once
 * @param worker whether there is one
 */
export async function startStack({ queue, slots, worker: withWorker = true }) {
  const folder = await mkdtemp(join(tmpdir(), 'ferment-schedule-'));
  // A server that root starts as another user must reach its data in it.
  await chmod(folder, 0o711);
  const undo = [() => rm(folder, { recursive: true, force: true })];
  const stop = async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  try {
    const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), log });
    undo.push(() => postgres.stop());
    const redis = queue === 'redis' ? await startRedis(folder) : null;
    if (redis) undo.push(() => redis.stop());
    const environment = {
      FERMENT_DATABASE_URL: postgres.url,
      FERMENT_DATA: folder,
      FERMENT_PORT: '0',
      FERMENT_LOG_LEVEL: 'warn',
      FERMENT_WORKER_THREADS: String(slots),
      FERMENT_QUEUE: queue,
      ...(redis && { FERMENT_REDIS_URL: redis.url }),
    };
    const settings = readSettings(environment);
    await migrate(settings.databaseUrl);
    await prepareQueue(settings.queue);
    const database = await connectDatabase(postgres.url, { answerMilliseconds: 600_000 });
    undo.push(() => database.close());
    const { token } = await new Tokens(database).create({ name: 'bench', role: 'admin' });
    const api = await startProgram('apps/api/dist/main.js', environment);
    undo.push(() => api.stop());
    const worker = withWorker ? await startProgram('bench/peers/ours_trivial_worker.mjs', environment) : null;
    undo.push(() => worker?.stop());
    const backend = await database.pool.query('SELECT pg_backend_pid() AS pid');
    const postmaster = parentOf(backend.rows[0].pid);
    /** Seconds of processor time so far, by part. */
    const processor = () => {
      const workerAlone = worker ? processorSeconds(worker.pid) : 0;
      return {
        postgres: processorSeconds(postmaster, { family: true }),
        ...(redis && { redis: processorSeconds(redis.pid) }),
        api: processorSeconds(api.pid),
        worker: workerAlone,
        children: worker ? processorSeconds(worker.pid, { family: true }) - workerAlone : 0,
      };
    };
    return { folder, database, queue: settings.queue, url: api.message.url, token, processor, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
