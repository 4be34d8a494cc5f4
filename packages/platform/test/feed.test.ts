import { afterAll, beforeAll, describe, expect, test, jest } from '@jest/globals';
import pg from 'pg';
import { until } from '../../../test/support/services.js';
import {
  EventFeed,
  type FeedFilter,
  type FeedItem,
  type FeedSignal,
  type StreamCursor,
} from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';
import { smallExperiment } from './support/plans.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(60_000);

let here: Installation;
let feed: EventFeed;
const everything: FeedFilter = { experiments: [], jobs: [] };
beforeAll(async () => {
  here = await startInstallation();
  feed = new EventFeed(here.postgres.url);
  await feed.start();
});
afterAll(async () => {
  await feed.stop();
  await here.stop();
});

/** Reads from a cursor to the end of the log, in steps of `limit`. */
async function readAll(
  from: StreamCursor,
  filter = everything,
  limit = 500,
): Promise<{ items: FeedItem[]; cursor: StreamCursor }> {
  const items: FeedItem[] = [];
  let cursor = from;
  for (;;) {
    const batch = await feed.since(cursor, filter, limit);
    items.push(...batch.items);
    cursor = batch.cursor;
    if (!batch.more) return { items, cursor };
  }
}

const row = (step: number) => ({ step, epoch: 0, time: 0, values: { 'train.loss': step } });
const typeOf = (item: FeedItem): string => (item.name === 'event' ? item.data.payload.type : 'metrics');

describe('what a reader gets', () => {
  test('an experiment brings the events and curves of the jobs it demands, and no others', async () => {
    const from = await feed.now();
    const { id } = await here.experiments.create(smallExperiment('followed'));
    const other = await here.experiments.create(smallExperiment('not followed'));
    const [teacher] = await here.experiments.jobs(id);
    const [foreign] = await here.experiments.jobs(other.id);
    for (const job of [foreign, teacher]) {
      const claim = await here.take(job?.id ?? '');
      await here.attempts.appendMetrics(claim.jobId, claim.attempt, [row(1), row(2)]);
      await here.attempts.saveCheckpoint(claim.jobId, claim.attempt, {
        step: 2,
        epoch: 1,
        artifact: { hash: 'a'.repeat(64), bytes: 1 },
      });
      await here.finish(claim);
    }
    const { items } = await readAll(from, { experiments: [id], jobs: [] });
    const ofOthers = items.filter(
      ({ data }) => data.jobId === foreign?.id || ('experimentId' in data && data.experimentId === other.id),
    );
    expect(ofOthers).toEqual([]);
    expect(items.map(typeOf)).toEqual([
      ...['experiment.created', 'job.changed', 'experiment.changed'],
      ...['job.changed', 'attempt.changed', 'trial.changed', 'experiment.changed'],
      ...['metrics', 'checkpoint.saved'],
      ...['attempt.changed', 'job.changed', 'job.changed', 'experiment.changed'],
    ]);
    const chunk = items.find((item) => item.name === 'metrics')?.data;
    expect(chunk).toEqual({
      jobId: teacher?.id,
      attempt: 1,
      cursor: 1,
      truncateFrom: null,
      rows: [row(1), row(2)],
    });
    const alone = await readAll(from, { experiments: [], jobs: [foreign?.id ?? ''] });
    expect(alone.items.every(({ data }) => data.jobId === foreign?.id)).toBe(true);
    expect(alone.items.filter(({ name }) => name === 'metrics')).toHaveLength(1);
  });

  test('reading in small steps, or going on from any item, repeats and leaves out nothing', async () => {
    const start = { event: '0', chunk: '0' };
    const whole = await readAll(start);
    expect(whole.items.length).toBeGreaterThan(20);
    for (const limit of [1, 2, 3, 7]) {
      const inSteps = await readAll(start, everything, limit);
      expect(inSteps.items.map(({ data }) => data)).toEqual(whole.items.map(({ data }) => data));
    }
    for (const at of [0, 5, 11, whole.items.length - 1]) {
      const { items } = await readAll(whole.items[at]?.cursor ?? start);
      expect(items.map(({ data }) => data)).toEqual(whole.items.slice(at + 1).map(({ data }) => data));
    }
    expect((await feed.since(await feed.now(), everything)).items).toEqual([]);
  });

  test('progress is passed on and not stored', async () => {
    const { id } = await here.experiments.create(smallExperiment('progress'));
    const claim = await here.take((await here.experiments.jobs(id))[0]?.id ?? '');
    const heard: FeedSignal[] = [];
    const unsubscribe = feed.subscribe((signal) => heard.push(signal));
    const progress = { done: 3, total: 10, unit: 'steps', rate: 1.5 };
    await here.attempts.heartbeat('worker-1', [{ jobId: claim.jobId, attempt: claim.attempt, progress }]);
    await until('the progress was heard', () =>
      Promise.resolve(heard.some(({ type }) => type === 'progress')),
    );
    unsubscribe();
    expect(heard).toContainEqual({ type: 'progress', jobId: claim.jobId, progress });
    expect((await here.jobs.get(claim.jobId))?.progress).toEqual(progress);
  });
});

describe('commits out of order', () => {
  test('a reader waits for the oldest open transaction rather than step over its rows', async () => {
    const { id } = await here.experiments.create(smallExperiment('order'));
    const insert = `INSERT INTO event (experiment_id, payload) VALUES ($1, '{"type":"worker.changed","worker":"w","state":"s"}') RETURNING id`;
    const [slow, quick] = [new pg.Client(here.postgres.url), new pg.Client(here.postgres.url)];
    await Promise.all([slow.connect(), quick.connect()]);
    const from = await feed.now();
    await quick.query('BEGIN');
    // `quick` has the smaller transaction number, `slow` the smaller sequence number.
    await quick.query('SELECT pg_current_xact_id()');
    await slow.query('BEGIN');
    const first = await slow.query<{ id: string }>(insert, [id]);
    const second = await quick.query<{ id: string }>(insert, [id]);
    await quick.query('COMMIT');
    const before = await readAll(from);
    expect(before.items.map(({ data }) => ('id' in data ? data.id : null))).toEqual([second.rows[0]?.id]);
    await slow.query('COMMIT');
    const after = await readAll(before.cursor);
    expect(after.items.map(({ data }) => ('id' in data ? data.id : null))).toEqual([first.rows[0]?.id]);
    await Promise.all([slow.end(), quick.end()]);
  });

  test('under many concurrent writers every row is read exactly once, each job in its own order', async () => {
    const salts = Array.from({ length: 6 }, (_, index) => `concurrent ${index}`);
    const claims = await Promise.all(
      salts.map(async (salt) => {
        const { id } = await here.experiments.create(smallExperiment(salt));
        return here.take((await here.experiments.jobs(id))[0]?.id ?? '');
      }),
    );
    const from = await feed.now();
    const seen: FeedItem[] = [];
    let cursor = from;
    let written = false;
    const writers = Promise.all(
      claims.map(async (claim) => {
        for (let step = 1; step <= 40; step++) {
          await here.attempts.appendMetrics(claim.jobId, claim.attempt, [row(step)]);
          if (step % 10 === 0) {
            const artifact = { hash: step.toString(16).padStart(64, '0'), bytes: 1 };
            await here.attempts.saveCheckpoint(claim.jobId, claim.attempt, { step, epoch: 0, artifact });
          }
        }
      }),
    ).then(() => (written = true));
    for (let last = false; !last;) {
      last = written;
      const batch = await feed.since(cursor, everything, 7);
      seen.push(...batch.items);
      cursor = batch.cursor;
      if (batch.more) last = false;
    }
    await writers;
    const { rows } = await here.database.pool.query<{ events: number; chunks: number }>(
      'SELECT (SELECT count(*)::int FROM event WHERE id > $1) AS events, (SELECT count(*)::int FROM metric_chunk WHERE id > $2) AS chunks',
      [from.event, from.chunk].map((place) => place.split(':')[1]),
    );
    const chunks = seen.flatMap((item) => (item.name === 'metrics' ? [item.data] : []));
    expect(chunks).toHaveLength(rows[0]?.chunks ?? -1);
    expect(seen.length - chunks.length).toBe(rows[0]?.events);
    for (const claim of claims) {
      const mine = chunks.filter(({ jobId }) => jobId === claim.jobId).map(({ cursor: place }) => place);
      expect(mine).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    }
  });
});
