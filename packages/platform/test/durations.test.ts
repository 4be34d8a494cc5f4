import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import {
  durationBounds,
  durationHistograms,
  GarbageCollector,
  type DurationHistogram,
} from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';
import { smallExperiment } from './support/plans.js';

jest.setTimeout(60_000);

let here: Installation;
beforeAll(async () => {
  here = await startInstallation();
});
afterAll(() => here.stop());

async function histogram(
  figure: DurationHistogram['figure'],
  kind: string,
  outcome = '',
): Promise<DurationHistogram | undefined> {
  const all = await durationHistograms(here.database.pool);
  return all.find((one) => one.figure === figure && one.kind === kind && one.outcome === outcome);
}

async function trainings(salt: string): Promise<string[]> {
  const { id } = await here.experiments.create(smallExperiment(salt));
  const jobs = await here.experiments.jobs(id);
  return jobs.filter(({ kind, state }) => kind === 'train' && state === 'ready').map((job) => job.id);
}

/** As though the job had been ready, and its attempt had begun, so many seconds earlier. */
async function earlier(what: 'ready' | 'begun', jobId: string, seconds: number): Promise<void> {
  const column = what === 'ready' ? 'ready_at' : 'started_at';
  await here.database.pool.query(
    `UPDATE ${what === 'ready' ? 'job' : 'attempt'} SET ${column} = ${column} - $2::float8 * interval '1 second'
     WHERE ${what === 'ready' ? 'id' : 'job_id'} = $1`,
    [jobId, seconds],
  );
}

test('what waited and what ran is counted once, in its class, and stays counted', async () => {
  const [job = ''] = await trainings('once');
  await earlier('ready', job, 12);
  const claim = await here.take(job);
  const waited = await histogram('wait', 'train');
  expect(waited).toMatchObject({ count: 1 });
  expect(waited?.sum).toBeGreaterThan(12);
  expect(waited?.sum).toBeLessThan(15);
  expect(waited?.upTo).toEqual(durationBounds.map((bound) => (bound >= 15 ? 1 : 0)));
  expect(await histogram('run', 'train', 'succeeded')).toBeUndefined();

  await earlier('begun', job, 3000);
  await here.finish(claim);
  // The worker did not hear that it was taken, and sends it again.
  await here.finish(claim);
  const ran = await histogram('run', 'train', 'succeeded');
  expect(ran).toMatchObject({ count: 1, upTo: durationBounds.map((bound) => (bound >= 3600 ? 1 : 0)) });
  expect(ran?.sum).toBeGreaterThan(3000);
  expect(ran?.sum).toBeLessThan(3060);

  // Its experiment is deleted and its traces collected: a counter that went back would count anew what was there.
  const [experiment] = (await here.experiments.list({ limit: 1 })).items;
  await here.experiments.cancel(experiment?.id ?? '');
  await here.experiments.delete(experiment?.id ?? '');
  // A collection refuses to go by a store that has lost everything.
  await here.store.put(Buffer.from('something'));
  const collector = new GarbageCollector(here.database, here.store);
  await collector.collect({ graceSeconds: 0, dryRun: false });
  await collector.collect({ graceSeconds: 0, dryRun: false });
  expect(await here.jobs.get(job)).toBeNull();
  expect(await histogram('run', 'train', 'succeeded')).toEqual(ran);
});

test('each attempt counts for itself, by how it ended; back-off is no waiting', async () => {
  const before = (await histogram('wait', 'train'))?.count ?? 0;
  const [job = ''] = await trainings('again');
  const first = await here.take(job);
  expect(await here.attempts.preempted(job, first.attempt)).toBe(true);
  const second = await here.take(job);
  const failure = { failureClass: 'transient', reason: 'the store was away' } as const;
  expect(await here.attempts.fail(job, second.attempt, failure)).toBe(true);
  const { rows } = await here.database.pool.query<{ later: boolean }>(
    "SELECT ready_at = not_before AND ready_at > now() - interval '1 minute' AS later FROM job WHERE id = $1",
    [job],
  );
  expect(rows[0]?.later).toBe(true);
  await here.take(job);
  expect((await histogram('wait', 'train'))?.count).toBe(before + 3);
  expect(await histogram('run', 'train', 'preempted')).toMatchObject({ count: 1 });
  expect(await histogram('run', 'train', 'failed')).toMatchObject({ count: 1 });
  // Nobody wants it any more.
  const [experiment] = (await here.experiments.list({ limit: 1 })).items;
  await here.experiments.cancel(experiment?.id ?? '');
  expect(await histogram('run', 'train', 'cancelled')).toMatchObject({ count: 1 });
});

test('attempts that begin at once are all counted', async () => {
  const before = (await histogram('wait', 'train'))?.count ?? 0;
  const jobs = (await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((salt) => trainings(salt)))).flat();
  expect(jobs.length).toBeGreaterThanOrEqual(6);
  const claims = await Promise.all(jobs.map((job) => here.take(job)));
  await Promise.all(claims.map((claim) => here.finish(claim)));
  expect((await histogram('wait', 'train'))?.count).toBe(before + jobs.length);
});
