import { afterAll, afterEach, beforeAll, describe, expect, test, jest } from '@jest/globals';
import { Worker, type Job } from 'bullmq';
import pg from 'pg';
import { resourceClasses } from '@ferment/contracts';
import { describeWith, startRedis, until, type RunningRedis } from '../../../test/support/services.js';
import {
  Attempts,
  consumerOptions,
  delivery,
  Dispatcher,
  openQueues,
  prepareQueue,
  queueConnection,
  queueJobId,
  queueName,
  Reconciler,
  type Claim,
  type QueueMessage,
  type QueueSettings,
} from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';
import { evaluation, smallExperiment } from './support/plans.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(60_000);

/** What an installation must do on every queue backend; `flush` empties the queue behind its back. */
function suite(
  open: (here: Installation) => QueueSettings,
  flush: (settings: QueueSettings) => Promise<void>,
): void {
  const leaseSeconds = 1;
  let here: Installation;
  let settings: QueueSettings;
  let queues: ReturnType<typeof openQueues>;
  let attempts: Attempts;
  const running: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    here = await startInstallation();
    settings = open(here);
    await prepareQueue(settings);
    queues = openQueues(settings);
    attempts = new Attempts(here.database, { leaseSeconds, backOffMilliseconds: 20 });
    await here.workers.register({ id: 'worker-1', host: 'here', pid: 1, slots: { cpu: 2, light: 2 } });
  });
  afterEach(async () => {
    for (const part of running.splice(0).reverse()) await part.stop();
  });
  afterAll(async () => {
    await queues.close();
    await here.stop();
    await prepareQueue({ backend: 'redis', url: '' });
  });

  function orchestrate(onTrialEnded?: (id: string) => Promise<void>): Dispatcher {
    const shared = { delivery: delivery(queues), pollMilliseconds: 50 };
    const dispatcher = new Dispatcher(here.database, {
      ...shared,
      ...(onTrialEnded ? { onTrialEnded } : {}),
    });
    const reconciler = new Reconciler(here.database, { ...shared, leaseSeconds, offerSeconds: 0.2 });
    for (const part of [dispatcher, reconciler]) {
      part.start();
      running.push(part);
    }
    return dispatcher;
  }

  /** Consumers of all queues that work on what they claim; the claims, in order. */
  function work(handle: (claim: Claim) => Promise<void>, concurrency = 2): Claim[] {
    const claims: Claim[] = [];
    const beat = setInterval(() => void attempts.heartbeat('worker-1', []), 200);
    running.push({ stop: () => Promise.resolve(clearInterval(beat)) });
    const process = async ({ data }: Job<QueueMessage>): Promise<void> => {
      const claim = await attempts.claim(data, { id: 'worker-1' });
      if (!claim) return;
      claims.push(claim);
      await handle(claim);
    };
    for (const resource of resourceClasses) {
      const options = { ...consumerOptions, connection: queueConnection(settings), concurrency };
      const worker = new Worker<QueueMessage>(queueName(resource), process, options);
      worker.on('error', () => undefined);
      running.push({ stop: () => worker.close() });
    }
    return claims;
  }

  const finish = (claim: Claim): Promise<void> =>
    here.finish(claim, claim.kind === 'evaluate' ? evaluation(0.5) : {});
  const stateOf = async (id: string): Promise<string | undefined> =>
    (await here.experiments.describe(id))?.state;
  const attemptStates = async (id: string): Promise<string[][]> =>
    (await here.experiments.jobs(id)).map((job) => job.attempts.map(({ state }) => state));

  test('a grid runs to its end, every job once, inputs before what uses them', async () => {
    const ended: string[] = [];
    orchestrate((id) => {
      ended.push(id);
      return Promise.resolve();
    });
    const claims = work(finish);
    const input = smallExperiment('grid', { variants: ['kd', 'plain'], seeds: [0, 1] });
    const { id } = await here.experiments.create(input);
    await until('the experiment has ended', async () => (await stateOf(id)) === 'succeeded');
    expect(await here.experiments.describe(id)).toMatchObject({
      trials: { succeeded: 4 },
      jobs: { succeeded: 13 },
      trainings: { withoutSharing: 8, planned: 5, cached: 0 },
    });
    expect(await attemptStates(id)).toEqual(Array<string[]>(13).fill(['succeeded']));
    expect(claims).toHaveLength(13);
    expect(claims[0]?.kind).toBe('train');
    await until('the table was asked for', () => Promise.resolve(ended.includes(id)));
    const inputs = await here.experiments.tableInputs(id);
    expect(inputs?.trials.map(({ variant, seed, state }) => [variant, seed, state])).toEqual([
      ['kd', 0, 'succeeded'],
      ['kd', 1, 'succeeded'],
      ['plain', 0, 'succeeded'],
      ['plain', 1, 'succeeded'],
    ]);
    expect(inputs?.trials.every(({ metrics }) => typeof metrics['faces'] === 'string')).toBe(true);
  });

  test('an emptied queue is filled again', async () => {
    const { id } = await here.experiments.create(smallExperiment('flushed', { seeds: [0, 1, 2] }));
    orchestrate();
    const teacher = (await here.experiments.jobs(id))[0]?.id ?? '';
    const offered = async (): Promise<boolean> =>
      (await queues.cpu.getJob(queueJobId(teacher, 1))) !== undefined;
    await until('the teacher is in the queue', offered);
    await flush(settings);
    expect(await offered()).toBe(false);
    const claims = work(finish);
    await until('the experiment has ended', async () => (await stateOf(id)) === 'succeeded');
    expect(claims[0]).toMatchObject({ jobId: teacher, attempt: 2 });
    const attemptsEach = (await attemptStates(id)).map(
      (states) => states.filter((state) => state === 'succeeded').length,
    );
    expect(new Set(attemptsEach)).toEqual(new Set([1]));
  });

  test('an attempt whose worker went silent is lost, and the next one resumes from its checkpoint', async () => {
    const { id } = await here.experiments.create(smallExperiment('silent'));
    orchestrate();
    let silent: Claim | null = null;
    const artifact = { hash: 'f'.repeat(64), bytes: 3 };
    const claims = work(async (claim) => {
      if (silent !== null) return finish(claim);
      silent = claim;
      await attempts.saveCheckpoint(claim.jobId, claim.attempt, { step: 7, epoch: 1, artifact });
    });
    await until('the experiment has ended', async () => (await stateOf(id)) === 'succeeded');
    const [teacher, ...others] = await attemptStates(id);
    expect(teacher).toEqual(['lost', 'succeeded']);
    expect(others.every((states) => states.length === 1)).toBe(true);
    expect(claims[1]?.resume).toEqual({ hash: artifact.hash, step: 7 });
    // The silent worker thaws: nothing it says counts.
    const late = { outputs: { best: artifact, last: artifact }, result: {} };
    expect(await attempts.complete(claims[0]?.jobId ?? '', claims[0]?.attempt ?? 0, late)).toBe(false);
  });

  test('a message delivered again is not worked on again', async () => {
    const { id } = await here.experiments.create(smallExperiment('twice'));
    orchestrate();
    const claims = work(async (claim) => {
      const message = { jobId: claim.jobId, attempt: claim.attempt, threads: 1, memory: null };
      await queues.cpu.add('attempt', message, { jobId: `again-${claim.jobId}`, removeOnComplete: true });
      await finish(claim);
    });
    await until('the experiment has ended', async () => (await stateOf(id)) === 'succeeded');
    await until(
      'the repeated messages are consumed',
      async () => (await queues.cpu.getJobCountByTypes('waiting', 'active', 'prioritized')) === 0,
    );
    expect(claims).toHaveLength(4);
    expect(await attemptStates(id)).toEqual(Array<string[]>(4).fill(['succeeded']));
  });

  test('two dispatchers offer nothing twice, and the second takes over from the first', async () => {
    const first = orchestrate();
    orchestrate();
    const claims = work(async (claim) => {
      if (claim.kind === 'distill') await first.stop();
      await finish(claim);
    });
    const { id } = await here.experiments.create(smallExperiment('two', { seeds: [0, 1, 2] }));
    await until('the experiment has ended', async () => (await stateOf(id)) === 'succeeded');
    expect(claims.every(({ attempt }) => attempt === 1)).toBe(true);
    expect(claims).toHaveLength(10);
  });

  test('a large experiment does not keep a small one waiting', async () => {
    orchestrate();
    const seeds = Array.from({ length: 20 }, (_, seed) => seed);
    const large = await here.experiments.create(smallExperiment('large', { seeds, name: 'large' }));
    const claims = work(finish, 1);
    await until('the large one is under way', () => Promise.resolve(claims.length > 3));
    const small = await here.experiments.create(smallExperiment('small', { name: 'tiny' }));
    await until('the small one has ended', async () => (await stateOf(small.id)) === 'succeeded');
    const remaining = (await here.experiments.describe(large.id))?.trials.succeeded ?? 0;
    expect(remaining).toBeLessThan(20);
    expect(await stateOf(large.id)).toBe('running');
    await here.experiments.cancel(large.id);
  });
}

describe('on BullMQ over PostgreSQL', () => {
  suite(
    (here) => ({ backend: 'postgres', url: here.postgres.url }),
    async ({ url }) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const { rows } = await client.query<{ name: string }>(
        `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
         WHERE table_schema = 'bullmq' AND table_name ~ 'job' AND table_type = 'BASE TABLE'`,
      );
      for (const { name } of rows) await client.query(`DELETE FROM ${name}`);
      await client.end();
    },
  );
});

describeWith('redis', 'on BullMQ over Redis', () => {
  let redis: RunningRedis;
  beforeAll(async () => {
    redis = await startRedis();
  });
  suite(
    () => ({ backend: 'redis', url: redis.url }),
    async ({ url }) => {
      const { Redis } = await import('ioredis');
      const client = new Redis(url);
      await client.flushall();
      await client.quit();
    },
  );
  // After the suite's own end: its queues close before their server does.
  afterAll(() => redis.stop());
});
