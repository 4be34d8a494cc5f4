import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { logText, plannedJob } from '@ferment/contracts';
import type { ArtifactReference, JobItem, JobKind, PlannedJob } from '@ferment/contracts';
import {
  AttemptLogs,
  connectDatabase,
  Curves,
  delivery,
  Dispatcher,
  fermentVersion,
  folderStore,
  Jobs,
  migrate,
  openQueues,
  prepareQueue,
  Reconciler,
  startEmbeddedPostgres,
  Workers,
  type QueueSettings,
} from '@ferment/platform';
import { fork, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  describeWith,
  endProcess,
  startRedis,
  temporaryFolder,
  until,
} from '../../../test/support/services.js';
import { facesCsv, importParams, sha256, trainParams } from './support.js';

const workerModule = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const silent = { info: () => undefined, warn: () => undefined };
const leaseSeconds = 2;

/** What is started is stopped in the reverse order. */
const stops: (() => Promise<unknown>)[] = [];
let stack: Awaited<ReturnType<typeof startStack>>;

async function startStack(queueOf: (databaseUrl: string) => Promise<QueueSettings>) {
  const folder = await temporaryFolder('ferment-worker-');
  stops.push(() => folder.remove());
  sources = 0;
  const postgres = await startEmbeddedPostgres({ folder: join(folder.path, 'postgres'), log: silent });
  stops.push(() => postgres.stop());
  await migrate(postgres.url);
  const queue = await queueOf(postgres.url);
  await prepareQueue(queue);
  const database = await connectDatabase(postgres.url);
  stops.push(() => database.close());
  const queues = openQueues(queue);
  stops.push(() => queues.close());
  const dispatcher = new Dispatcher(database, { delivery: delivery(queues), log: silent });
  const reconciler = new Reconciler(database, {
    delivery: delivery(queues),
    log: silent,
    leaseSeconds,
    pollMilliseconds: 200,
    offerSeconds: 1,
  });
  dispatcher.start();
  reconciler.start();
  stops.push(() => dispatcher.stop());
  stops.push(() => reconciler.stop());
  const store = folderStore(join(folder.path, 'artifacts'));
  return {
    folder: folder.path,
    databaseUrl: postgres.url,
    queue,
    database,
    store,
    jobs: new Jobs(database),
    curves: new Curves(database, store),
    logs: new AttemptLogs(database, store),
    workers: new Workers(database),
  };
}

async function startWorkerProcess(id: string, threads = 1): Promise<ChildProcess> {
  const child = fork(workerModule, [], {
    env: {
      ...process.env,
      FERMENT_DATABASE_URL: stack.databaseUrl,
      FERMENT_QUEUE: stack.queue.backend,
      ...(stack.queue.backend === 'redis' ? { FERMENT_REDIS_URL: stack.queue.url } : {}),
      FERMENT_DATA: join(stack.folder, id),
      FERMENT_STORE_FOLDER: join(stack.folder, 'artifacts'),
      FERMENT_WORKER_ID: id,
      FERMENT_WORKER_THREADS: String(threads),
      FERMENT_HEARTBEAT_SECONDS: '0.3',
      FERMENT_LEASE_SECONDS: String(leaseSeconds),
      FERMENT_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  stops.push(() => endProcess(child));
  await new Promise((ready, failed) => {
    child.once('message', ready);
    child.once('exit', (code) => failed(new Error(`worker ${id} ended with ${code}`)));
  });
  return child;
}

function planned(kind: JobKind, params: unknown, resource: 'cpu' | 'light', salt = ''): PlannedJob {
  const key = sha256(JSON.stringify([kind, params, salt]));
  return plannedJob.parse({ key, kind, params, inputs: [], stage: null, resource, threads: 1, cost: null });
}

async function submitted(job: PlannedJob): Promise<string> {
  return (await stack.jobs.submit(job)).id;
}

async function jobOf(id: string): Promise<JobItem> {
  const job = await stack.jobs.get(id);
  if (job === null) throw new Error(`no job ${id}`);
  return job;
}

async function finished(id: string): Promise<JobItem> {
  await until(
    `job ${id} has ended`,
    async () => ['succeeded', 'failed', 'blocked'].includes((await jobOf(id)).state),
    60,
  );
  return jobOf(id);
}

const wholeLog = { cursor: 0, limit: 10_000 };

/** What the lines of an attempt's log say. */
async function logOf(id: string, attempt: number): Promise<string[]> {
  const log = await stack.logs.read(id, attempt, wholeLog);
  return (log?.lines ?? []).map((line) => logText(line).split(/ +/).slice(2).join(' '));
}

/** Uploaded csv files: bytes that no job has made. */
let sources = 0;

async function importedVersion(seed: number): Promise<string> {
  sources += 1;
  const source: ArtifactReference = await stack.store.put(Buffer.from(facesCsv(120, seed)));
  const job = await finished(await submitted(planned('import', importParams(source.hash), 'light')));
  expect(job).toMatchObject({ state: 'succeeded', result: { dataset: 'faces' } });
  return (job.result as { version: string }).version;
}

function scenario(): void {
  it('imports and trains, through database, queue and child processes', async () => {
    const worker = await startWorkerProcess('first');
    const told = await stack.workers.get('first');
    expect(told).toMatchObject({ state: 'active', slots: { cpu: 1, light: 1 } });
    expect(told?.facts).toMatchObject({
      versions: { ferment: fermentVersion(), node: process.versions.node },
      devices: [],
      threads: availableParallelism(),
    });
    expect(told?.facts?.versions.tensorflow).toMatch(/^\d+\.\d+/);
    expect(Math.abs(told?.facts?.clockOffsetSeconds ?? NaN)).toBeLessThan(1);
    expect(told?.facts?.memoryBytes).toBeGreaterThan(2 ** 28);
    const version = await importedVersion(1);
    const job = await finished(await submitted(planned('train', trainParams(version, 2), 'cpu')));
    expect(job).toMatchObject({
      state: 'succeeded',
      attempts: [{ number: 1, state: 'succeeded', worker: 'first' }],
    });
    const steps = (job.result as { steps: number }).steps;
    const curve = await stack.curves.rows(job.id);
    expect(curve?.rows.map(({ step }) => step)).toEqual(
      Array.from({ length: steps }, (_, index) => index + 1),
    );
    await endProcess(worker);
    expect(worker.exitCode).toBe(0);
    expect(await stack.workers.state('first')).toBe('gone');
  }, 120_000);

  it('loses a worker to kill -9 in the middle of a training: another one ends it with the same bits', async () => {
    const second = await startWorkerProcess('second');
    const params = trainParams(await importedVersion(2), 20);
    const whole = await finished(await submitted(planned('train', params, 'cpu', 'undisturbed')));

    const id = await submitted(planned('train', params, 'cpu', 'killed'));
    const saved = async () => (await stack.jobs.checkpoints(id))?.[0]?.epoch ?? 0;
    await until('its log has begun', async () => (await logOf(id, 1)).length > 0);
    // Killed right after a checkpoint was recorded: none is on its way to the store.
    const before = await saved();
    await until('some epochs are saved', async () => (await saved()) >= Math.max(3, before + 1));
    await endProcess(second, 'SIGKILL');
    await startWorkerProcess('third');
    const job = await finished(id);
    expect(job.attempts.map(({ state, worker }) => [state, worker])).toEqual([
      ['lost', 'second'],
      ['succeeded', 'third'],
    ]);
    expect(job.attempts[1]?.resumedFromStep).toBeGreaterThan(0);
    expect(job.outputs).toEqual(whole.outputs);
    const values = async (of: string) =>
      ((await stack.curves.rows(of))?.rows ?? []).map(({ step, values: row }) => [
        step,
        row['train.loss'],
        row['validation.nll'],
      ]);
    expect(await values(id)).toEqual(await values(whole.id));

    // Each attempt has a log of its own, that of the lost one kept.
    // Its last lines come after the end that is recorded.
    await until('the log is whole', async () => (await stack.logs.read(id, 2, wholeLog))?.ended === true);
    const [lost, last] = [await logOf(id, 1), await logOf(id, 2)];
    expect(lost[0]).toMatch(/^attempt 1 at train on worker second, process \d+$/);
    expect(last[0]).toContain(`worker third, process`);
    expect(last[0]).toContain(`from step ${job.attempts[1]?.resumedFromStep} on`);
    expect(last.some((line) => line.startsWith('epoch 1 '))).toBe(false);
    expect(last.filter((line) => /^epoch 20 .*validation\.nll=[\d.]+/.test(line))).toHaveLength(1);
    expect(last.at(-1)).toBe('computed');

    // Of all the states on the way nothing is left, in the database or in the store: what is there are outputs.
    expect(await stack.jobs.checkpoints(id)).toEqual([]);
    await until('the old checkpoints are gone', async () => {
      const { rows } = await stack.database.pool.query<{ hash: string }>('SELECT hash FROM job_output');
      const outputs = new Set(rows.map(({ hash }) => hash));
      let rest = 0;
      for await (const { hash } of stack.store.list()) if (!outputs.has(hash)) rest += 1;
      return rest === sources;
    });
  }, 180_000);

  it('hands its training back when told to end, and another worker goes on from there', async () => {
    await stack.workers.drain('third');
    const fourth = await startWorkerProcess('fourth');
    const params = trainParams(await importedVersion(3), 40);
    const id = await submitted(planned('train', params, 'cpu'));
    await until('it trains', async () => ((await stack.curves.rows(id))?.rows.length ?? 0) > 0);
    await endProcess(fourth);
    await until('it is handed back', async () => (await jobOf(id)).state === 'ready');
    expect((await jobOf(id)).attempts.at(-1)).toMatchObject({ state: 'preempted', worker: 'fourth' });
    await stack.workers.resume('third');
    const job = await finished(id);
    expect(job.attempts.at(-1)).toMatchObject({ state: 'succeeded', worker: 'third' });
    expect(job.attempts.at(-1)?.resumedFromStep).toBeGreaterThan(0);
  }, 180_000);
}

/** Two workers of two threads, one of them filled by one job of both: nothing waits there for the other is idle. */
function sharing(): void {
  it('takes no message that an idle worker could begin', async () => {
    const fifth = await startWorkerProcess('fifth', 2);
    await stack.workers.drain('third');
    const params = trainParams(await importedVersion(5), 60);
    const wide = { ...params, train: { ...params.train, threads: 2 } };
    const job = (salt: string) => ({ ...planned('train', wide, 'cpu', salt), threads: 2 });
    const first = await submitted(job('fills'));
    await until('the only worker is full', async () => (await jobOf(first)).state === 'running');
    const second = await submitted(job('waits'));
    await until('it is offered', async () => {
      const { rows } = await stack.database.pool.query(
        'SELECT FROM job WHERE id = $1 AND queued_at IS NOT NULL',
        [second],
      );
      return rows.length === 1;
    });
    const sixth = await startWorkerProcess('sixth', 2);
    await until('the idle worker has it', async () => (await jobOf(second)).state !== 'ready');
    expect((await jobOf(second)).attempts[0]?.worker).toBe('sixth');
    expect((await jobOf(first)).state).toBe('running');
    // With a lease of 2 s a stalled machine may lose an attempt; none may succeed twice.
    const succeededOnce = ({ state, attempts }: Awaited<ReturnType<typeof finished>>) =>
      state === 'succeeded' && attempts.filter((attempt) => attempt.state === 'succeeded').length === 1;
    expect(succeededOnce(await finished(first))).toBe(true);
    expect(succeededOnce(await finished(second))).toBe(true);
    await endProcess(fifth);
    await endProcess(sixth);
    await stack.workers.resume('third');
  }, 180_000);
}

/** What no queue has a part in. */
function leases(): void {
  it('does no harm when it was frozen past its lease and comes back', async () => {
    const params = trainParams(await importedVersion(4), 30);
    const whole = await finished(await submitted(planned('train', params, 'cpu', 'undisturbed')));
    await stack.workers.drain('third');
    const frozen = await startWorkerProcess('frozen');
    const id = await submitted(planned('train', params, 'cpu', 'frozen'));
    await until('an epoch is saved', async () => ((await stack.jobs.checkpoints(id)) ?? []).length >= 1);
    frozen.kill('SIGSTOP');
    await until('its attempt is lost', async () => (await jobOf(id)).attempts[0]?.state === 'lost');
    await stack.workers.resume('third');
    frozen.kill('SIGCONT');
    const job = await finished(id);
    expect(job.outputs).toEqual(whole.outputs);
    expect(job.attempts.filter(({ state }) => state === 'succeeded').length).toBe(1);
    const steps = ((await stack.curves.rows(id))?.rows ?? []).map(({ step }) => step);
    expect(steps).toEqual(
      Array.from({ length: (whole.result as { steps: number }).steps }, (_, index) => index + 1),
    );
    await endProcess(frozen);
  }, 180_000);
}

async function stopAll(): Promise<void> {
  for (const stop of stops.splice(0).reverse()) await stop();
}

describeWith([], 'a worker on the PostgreSQL queue', () => {
  beforeAll(async () => {
    stack = await startStack((url) => Promise.resolve({ backend: 'postgres', url }));
  }, 120_000);
  afterAll(stopAll, 60_000);
  scenario();
  sharing();
  leases();
});

describeWith('redis', 'a worker on a Redis queue', () => {
  beforeAll(async () => {
    stack = await startStack(async () => {
      const redis = await startRedis();
      stops.push(() => redis.stop());
      return { backend: 'redis', url: redis.url };
    });
  }, 120_000);
  afterAll(stopAll, 60_000);
  scenario();
  sharing();
});
