import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { JobMetrics, MetricRow } from '@ferment/contracts';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeWith, startMinio, until, type RunningS3 } from '../../../test/support/services.js';
import {
  Compactor,
  CurveLost,
  Curves,
  EventFeed,
  s3Store,
  type ArtifactStore,
  type FeedItem,
  type StreamCursor,
} from '../src/index.js';
import { compactCurve, dueCurves, type CompactionDue } from '../src/truth/compaction.js';
import { startInstallation, type Installation } from './support/installation.js';
import { smallExperiment } from './support/plans.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(60_000);

let here: Installation;
let feed: EventFeed;
beforeAll(async () => {
  here = await startInstallation();
  feed = new EventFeed(here.postgres.url);
  await feed.start();
});
afterAll(async () => {
  await feed.stop();
  await here.stop();
});

const row = (step: number, loss = 1 / (step + 1)): MetricRow => ({
  step,
  epoch: step / 10,
  time: 1.79e12 + step,
  values: { 'train.loss': loss, ...(step % 5 === 0 && { 'validation.macroF1': step / 100 }) },
});
const rows = (from: number, to: number, loss?: number): MetricRow[] =>
  Array.from({ length: to - from + 1 }, (_, index) => row(from + index, loss));

async function train(salt: string): Promise<{ id: string; teacher: string }> {
  const { id } = await here.experiments.create(smallExperiment(salt));
  const teacher = (await here.experiments.jobs(id)).find(({ kind }) => kind === 'train')?.id;
  if (teacher === undefined) throw new Error('no training');
  return { id, teacher };
}

/** A training that has succeeded, its curve in chunks of ten. */
async function succeeded(salt: string, steps = 50): Promise<string> {
  const { teacher } = await train(salt);
  const claim = await here.take(teacher);
  for (let step = 1; step <= steps; step += 10)
    await here.attempts.appendMetrics(teacher, claim.attempt, rows(step, step + 9));
  await here.finish(claim);
  return teacher;
}

const compact = async (jobId: string, store: ArtifactStore = here.store): Promise<boolean> => {
  const through = (await here.curves.rows(jobId))?.cursor ?? 0;
  return compactCurve(here.database, store, new Curves(here.database, store), { jobId, through });
};
const due = async (more: Partial<CompactionDue> = {}): Promise<string[]> => {
  const all = { succeededSeconds: 0, endedSeconds: 3600, settledSeconds: 3600, settledBytes: 0, ...more };
  return (await dueCurves(here.database.pool, all)).map(({ jobId }) => jobId);
};
const chunksOf = async (jobId: string): Promise<number> => {
  const { rows: found } = await here.database.pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM metric_chunk WHERE job_id = $1',
    [jobId],
  );
  return found[0]?.n ?? 0;
};
const fileOf = async (jobId: string): Promise<string | null> => {
  const { rows: found } = await here.database.pool.query<{ hash: string | null }>(
    'SELECT hash FROM metric_curve WHERE job_id = $1',
    [jobId],
  );
  return found[0]?.hash ?? null;
};
async function curve(jobId: string): Promise<JobMetrics> {
  const found = await here.curves.rows(jobId);
  if (!found) throw new Error(`no job ${jobId}`);
  return found;
}

describe('a finished curve', () => {
  test('is the same after it was moved into a file, also in parts; its chunks are gone', async () => {
    const jobId = await succeeded('moved');
    const before = await curve(jobId);
    const summaries = (await here.jobs.get(jobId))?.summaries;
    expect(before).toEqual({ jobId, cursor: 5, rows: rows(1, 50) });
    expect(await compact(jobId)).toBe(true);
    expect(await chunksOf(jobId)).toBe(0);
    expect(await curve(jobId)).toEqual(before);
    expect((await here.jobs.get(jobId))?.summaries).toEqual(summaries);
    const part = await here.curves.rows(jobId, { from: 12, to: 31, series: ['validation.macroF1'] });
    expect(part?.rows.map(({ step, values }) => [step, values])).toEqual(
      [15, 20, 25, 30].map((step) => [step, { 'validation.macroF1': step / 100 }]),
    );
    const hash = await fileOf(jobId);
    expect(await here.store.has(hash ?? '')).toMatchObject({ hash });
    // What is referred to cannot be forgotten.
    await expect(here.database.pool.query('DELETE FROM artifact WHERE hash = $1', [hash])).rejects.toThrow(
      'metric_curve_hash_fkey',
    );
    // There is nothing left to do, and doing it again changes nothing.
    expect(await due()).not.toContain(jobId);
    expect(await compact(jobId)).toBe(true);
    expect(await curve(jobId)).toEqual(before);
  });

  test('without a single row is moved too', async () => {
    const { teacher } = await train('no rows');
    const claim = await here.take(teacher);
    await here.attempts.appendMetrics(teacher, claim.attempt, [], 0);
    await here.finish(claim);
    expect(await compact(teacher)).toBe(true);
    expect(await chunksOf(teacher)).toBe(0);
    expect(await curve(teacher)).toEqual({ jobId: teacher, cursor: 1, rows: [] });
  });

  test('of a job that is made again gives way to the new one', async () => {
    const jobId = await succeeded('again', 70);
    await compact(jobId);
    const outputs = (await here.jobs.get(jobId))?.outputs ?? {};
    await here.jobs.artifactCorrupt(outputs['best']?.hash ?? '');
    // Until the new attempt says something, the old curve stands.
    const claim = await here.take(jobId);
    expect(claim.cursor).toBe(7);
    expect(await curve(jobId)).toEqual({ jobId, cursor: 7, rows: rows(1, 70) });
    await here.attempts.appendMetrics(jobId, claim.attempt, rows(1, 3, 7), 0, claim.cursor);
    expect(await curve(jobId)).toEqual({ jobId, cursor: 8, rows: rows(1, 3, 7) });
    const old = (await fileOf(jobId)) ?? '';
    await here.finish(claim);
    expect((await here.jobs.get(jobId))?.summaries['train.loss']).toMatchObject({ points: 3, last: 7 });
    expect(await compact(jobId)).toBe(true);
    expect(await curve(jobId)).toEqual({ jobId, cursor: 8, rows: rows(1, 3, 7) });
    // The file that nothing refers to any more is not kept.
    expect(await here.store.has(old)).toBeNull();
  });

  test('of a job that failed and is resumed goes on after its checkpoint', async () => {
    const { teacher } = await train('resumed');
    const first = await here.take(teacher);
    await here.attempts.appendMetrics(teacher, first.attempt, rows(1, 20));
    const artifact = { hash: '9'.repeat(64), bytes: 5 };
    await here.attempts.saveCheckpoint(teacher, first.attempt, { step: 12, epoch: 1, artifact });
    await here.attempts.fail(teacher, first.attempt, { failureClass: 'user', reason: 'no' });
    expect((await here.jobs.get(teacher))?.state).toBe('failed');
    expect(await compact(teacher)).toBe(true);
    // What a person does who has put the reason right.
    await here.database.pool.query(`UPDATE job SET state = 'ready' WHERE id = $1`, [teacher]);
    const second = await here.take(teacher);
    expect(second).toMatchObject({ cursor: 1, resume: { step: 12 } });
    await here.attempts.appendMetrics(teacher, second.attempt, rows(13, 15, 3), 13, second.cursor);
    await here.attempts.appendMetrics(teacher, second.attempt, rows(16, 30, 3), undefined, 2);
    const whole = [...rows(1, 12), ...rows(13, 30, 3)];
    expect(await curve(teacher)).toEqual({ jobId: teacher, cursor: 3, rows: whole });
    await here.finish(second);
    expect((await here.jobs.get(teacher))?.summaries['train.loss']).toEqual({
      ...{ points: 30, lastStep: 30, last: 3 },
      ...{ min: 1 / 13, max: 3 },
    });
    expect(await compact(teacher)).toBe(true);
    expect(await curve(teacher)).toEqual({ jobId: teacher, cursor: 3, rows: whole });
  });
});

describe('a compaction that does not come to its end', () => {
  test('changes nothing when it dies with the file stored, and is done again', async () => {
    const jobId = await succeeded('crash');
    const before = await curve(jobId);
    const killed = async (work: Promise<unknown>): Promise<never> => {
      await work;
      throw new Error('killed');
    };
    const dying: Partial<ArtifactStore>[] = [
      {
        stage: async (content) => {
          const staged = await here.store.stage(content);
          return { ...staged, publish: () => killed(staged.publish()) };
        },
      },
      { read: (hash) => killed(here.store.read(hash)) },
    ];
    for (const part of dying) {
      await expect(compact(jobId, { ...here.store, ...part })).rejects.toThrow('killed');
      expect(await chunksOf(jobId)).toBe(5);
      expect(await curve(jobId)).toEqual(before);
    }
    expect(await compact(jobId)).toBe(true);
    expect(await curve(jobId)).toEqual(before);
  });

  test('rolls back as a whole where its last statement fails', async () => {
    const jobId = await succeeded('rollback');
    const before = await curve(jobId);
    await here.database.pool.query(
      `ALTER TABLE event ADD CONSTRAINT no_compaction CHECK (payload->>'type' <> 'metrics.compacted') NOT VALID`,
    );
    await expect(compact(jobId)).rejects.toThrow('no_compaction');
    await here.database.pool.query('ALTER TABLE event DROP CONSTRAINT no_compaction');
    expect(await fileOf(jobId)).toBeNull();
    expect(await curve(jobId)).toEqual(before);
  });

  test('drops no row where the store does not have what was put into it', async () => {
    const jobId = await succeeded('bad store');
    const before = await curve(jobId);
    const other = await here.store.put(Buffer.from('something else'));
    const nothing = () => Promise.resolve();
    const stage = () => Promise.resolve({ ...other, publish: nothing, discard: nothing });
    const store = { ...here.store, stage };
    await expect(compact(jobId, store)).rejects.toThrow();
    expect(await curve(jobId)).toEqual(before);
    expect(await chunksOf(jobId)).toBe(5);
  });

  test('goes on where the job was claimed meanwhile and its curve has changed', async () => {
    const jobId = await succeeded('claimed');
    const outputs = (await here.jobs.get(jobId))?.outputs ?? {};
    const store: ArtifactStore = {
      ...here.store,
      stage: async (content) => {
        await here.jobs.artifactCorrupt(outputs['best']?.hash ?? '');
        const claim = await here.take(jobId);
        expect(claim.cursor).toBe(5);
        await here.attempts.appendMetrics(jobId, claim.attempt, rows(1, 2, 9), 0, claim.cursor);
        await here.finish(claim);
        return here.store.stage(content);
      },
    };
    expect(await compact(jobId, store)).toBe(true);
    expect(await chunksOf(jobId)).toBe(1);
    expect(await curve(jobId)).toEqual({ jobId, cursor: 6, rows: rows(1, 2, 9) });
  });

  test('gives way to one that was faster', async () => {
    const jobId = await succeeded('faster');
    const before = await curve(jobId);
    const store: ArtifactStore = {
      ...here.store,
      stage: async (content) => {
        await compact(jobId);
        return here.store.stage(content);
      },
    };
    expect(await compact(jobId, store)).toBe(false);
    expect(await curve(jobId)).toEqual(before);
  });
});

describe('a curve that still grows', () => {
  test('is moved in parts while its writers go on, and is whole for all readers at every moment', async () => {
    const { teacher } = await train('growing');
    const claim = await here.take(teacher);
    const seen: { cursor: number; steps: number }[] = [];
    let [written, moves] = [0, 0];
    const writing = (async () => {
      while (moves < 4) {
        await here.attempts.appendMetrics(teacher, claim.attempt, [row(written + 1)], undefined, written);
        written += 1;
      }
    })();
    while (moves < 4) {
      const { cursor, rows: now } = await curve(teacher);
      expect(now.map(({ step }) => step)).toEqual(now.map((_, index) => index + 1));
      seen.push({ cursor, steps: now.length });
      if (cursor > 0 && (await compact(teacher))) moves += 1;
    }
    await writing;
    expect(seen.filter(({ cursor, steps }) => cursor !== steps)).toEqual([]);
    // A chunk sent again after it was moved is taken as what it is.
    await compact(teacher);
    const last = row(written);
    expect(await here.attempts.appendMetrics(teacher, claim.attempt, [last], undefined, written - 1)).toBe(
      true,
    );
    expect(await chunksOf(teacher)).toBe(1);
    expect((await curve(teacher)).rows).toEqual(rows(1, written));
    await here.finish(claim);
    expect((await here.jobs.get(teacher))?.summaries['train.loss']?.points).toBe(written);
  });

  test('is due when its settled chunks are worth a file', async () => {
    const { teacher } = await train('growing due');
    const claim = await here.take(teacher);
    await here.attempts.appendMetrics(teacher, claim.attempt, rows(1, 5));
    await here.attempts.appendMetrics(teacher, claim.attempt, rows(6, 9));
    expect(await due({ settledBytes: 100 })).not.toContain(teacher);
    await here.database.pool.query(
      `UPDATE metric_chunk SET created_at = now() - interval '2 hours' WHERE job_id = $1 AND cursor = 1`,
      [teacher],
    );
    expect(await due({ settledBytes: 100_000 })).not.toContain(teacher);
    const settled = { succeededSeconds: 0, endedSeconds: 0, settledSeconds: 3600, settledBytes: 100 };
    expect(await dueCurves(here.database.pool, settled)).toContainEqual({ jobId: teacher, through: 1 });
    await here.finish(claim);
  });
});

describe('readers', () => {
  test('see whole curves all the time while others are moved', async () => {
    const jobs = await Promise.all(Array.from({ length: 12 }, (_, index) => succeeded(`seen ${index}`)));
    let moving = true;
    const seen: number[] = [];
    const read = async (): Promise<void> => {
      while (moving) {
        const { curves } = await here.curves.buckets(jobs, { resolution: 100, series: ['train.loss'] });
        seen.push(...curves.map(({ series }) => series['train.loss']?.of ?? 0));
        for (const jobId of jobs) seen.push((await curve(jobId)).rows.length);
      }
    };
    const reading = [read(), read()];
    for (const jobId of jobs) await compact(jobId);
    moving = false;
    await Promise.all(reading);
    expect(seen.length).toBeGreaterThan(24);
    expect(new Set(seen)).toEqual(new Set([50]));
  });

  async function readOn(
    from: StreamCursor,
    jobs: string[],
  ): Promise<{ items: FeedItem[]; cursor: StreamCursor }> {
    const items: FeedItem[] = [];
    let cursor = from;
    for (;;) {
      const batch = await feed.since(cursor, { experiments: [], jobs }, 2);
      items.push(...batch.items);
      cursor = batch.cursor;
      if (!batch.more) return { items, cursor };
    }
  }
  const told = (items: FeedItem[]) =>
    items.flatMap((item) => (item.name === 'event' ? [] : [`${item.name} ${item.data.cursor}`]));

  test('that stand anywhere in the stream are told of what left it, and miss and repeat nothing else', async () => {
    const [first, other] = [await succeeded('stream'), await train('stream other')];
    const start = { event: '0', chunk: '0' };
    const claim = await here.take(other.teacher);
    await here.attempts.appendMetrics(other.teacher, claim.attempt, rows(1, 1));
    const whole = await readOn(start, [first, other.teacher]);
    expect(told(whole.items)).toEqual([1, 2, 3, 4, 5, 1].map((cursor) => `metrics ${cursor}`));
    const places = [start, ...whole.items.map(({ cursor }) => cursor), whole.cursor, await feed.now()];
    expect(await compact(first)).toBe(true);
    await here.attempts.appendMetrics(other.teacher, claim.attempt, rows(2, 2));
    const ofOther = whole.items.findIndex(
      ({ name, data }) => name === 'metrics' && data.jobId === other.teacher,
    );
    for (const [index, place] of places.entries()) {
      const { items } = await readOn(place, [first, other.teacher]);
      const unseen = index <= ofOther ? ['metrics 1'] : [];
      expect([index, told(items)]).toEqual([index, [...unseen, 'curve 5', 'metrics 2']]);
    }
    await here.finish(claim);
  });

  test('of a file that is gone or damaged are told so, and the job keeps its summaries', async () => {
    const [gone, damaged] = [await succeeded('gone'), await succeeded('damaged')];
    for (const jobId of [gone, damaged]) await compact(jobId);
    await here.store.delete((await fileOf(gone)) ?? '');
    const hash = (await fileOf(damaged)) ?? '';
    await writeFile(
      path.join(here.folder, 'artifacts/sha256', hash.slice(0, 2), hash.slice(2)),
      'not a curve',
    );
    const fresh = new Curves(here.database, here.store);
    for (const jobId of [gone, damaged]) await expect(fresh.rows(jobId)).rejects.toThrow(CurveLost);
    const aside: string[] = [];
    for await (const quarantined of here.store.quarantined()) aside.push(quarantined.hash);
    expect(aside).toEqual([hash]);
    const both = await fresh.buckets([gone, damaged], { resolution: 10 });
    expect(both.curves.map((entry) => entry.damaged)).toEqual([true, true]);
    expect((await here.jobs.get(gone))?.summaries['train.loss']).toMatchObject({ points: 50 });
  });
});

describe('the compactor', () => {
  test('two of them move what has ended, each curve once, and leave the rest', async () => {
    const jobs = await Promise.all([succeeded('pass 1'), succeeded('pass 2')]);
    const running = await train('pass running');
    const claim = await here.take(running.teacher);
    await here.attempts.appendMetrics(running.teacher, claim.attempt, rows(1, 5));
    const failed = await train('pass failed');
    const second = await here.take(failed.teacher);
    await here.attempts.appendMetrics(failed.teacher, second.attempt, rows(1, 5));
    await here.attempts.fail(failed.teacher, second.attempt, { failureClass: 'user', reason: 'no' });
    const options = { store: here.store, pollMilliseconds: 50, succeededSeconds: 0 };
    const compactors = [new Compactor(here.database, options), new Compactor(here.database, options)];
    for (const compactor of compactors) compactor.start();
    await until('the succeeded ones are moved', async () => (await due()).length === 0);
    for (const compactor of compactors) await compactor.stop();
    expect(await Promise.all([...jobs, running.teacher, failed.teacher].map(chunksOf))).toEqual([0, 0, 1, 1]);
    const { rows: events } = await here.database.pool.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM event WHERE job_id = ANY($1) AND payload->>'type' = 'metrics.compacted' GROUP BY job_id`,
      [jobs],
    );
    expect(events).toEqual([{ n: 1 }, { n: 1 }]);
    await here.finish(claim);
  });
});

describe('buckets', () => {
  test('have the same edges for all jobs and series, and say how many points they stand for', async () => {
    const [long, short] = [await succeeded('long', 1000), await succeeded('short', 30)];
    await compact(long);
    const answer = await here.curves.buckets([short, long], {
      ...{ resolution: 100, series: ['train.loss', 'validation.macroF1'], axes: ['epoch'] },
    });
    expect(answer.width).toBe(16);
    expect(answer.curves.map(({ jobId, cursor }) => [jobId, cursor])).toEqual([
      [short, 3],
      [long, 100],
    ]);
    const { 'train.loss': loss, 'validation.macroF1': f1 } = answer.curves[1]?.series ?? {};
    expect(loss).toMatchObject({ of: 1000, shown: 63, exact: false });
    expect(loss?.step.slice(0, 2)).toEqual([15, 31]);
    expect(loss?.max?.[1]).toBe(1 / 17);
    expect(loss?.epoch?.[1]).toBe(3.1);
    expect(f1).toMatchObject({ of: 200, shown: 63, exact: false });
    expect(answer.curves[0]?.series['train.loss']).toMatchObject({ of: 30, shown: 30, exact: true });
    const zoomed = await here.curves.buckets([long], { resolution: 100, from: 480, to: 579 });
    expect(zoomed).toMatchObject({
      width: 1,
      curves: [{ series: { 'train.loss': { exact: true, of: 100 } } }],
    });
  });

  test('that a live reader joins from answer to answer are those of one answer for all', async () => {
    const { teacher } = await train('live');
    let claim = await here.take(teacher);
    const query = { resolution: 20, axes: ['epoch'] as const };
    const known = new Map<string, { step: number[]; last: number[] } & Record<string, unknown>>();
    let [cursor, width, given, asked] = [0, 0, 0, 0];
    const follow = async (): Promise<void> => {
      const answer = await here.curves.bucketsSince(teacher, query, { cursor, width });
      ({ width = 0 } = answer ?? {});
      for (const [name, news] of Object.entries(answer?.curves[0]?.series ?? {})) {
        const { replaceFrom = 0, ...rest } = news;
        const before = known.get(name);
        const stay = before?.step.filter((step) => step < replaceFrom).length ?? 0;
        const joined = Object.fromEntries(
          Object.entries(rest).map(([key, value]) =>
            Array.isArray(value)
              ? [key, [...((before?.[key] as number[]) ?? []).slice(0, stay), ...value]]
              : [key, value],
          ),
        ) as { step: number[]; last: number[] };
        known.set(name, { ...joined, shown: joined.step.length });
        given += news.step.length;
      }
      cursor = answer?.curves[0]?.cursor ?? 0;
      asked += 1;
      const whole = await here.curves.buckets([teacher], query);
      expect([cursor, width]).toEqual([whole.curves[0]?.cursor, whole.width]);
      expect(Object.fromEntries(known)).toEqual(whole.curves[0]?.series);
    };
    for (let step = 1; step <= 90; step += 3) {
      await here.attempts.appendMetrics(teacher, claim.attempt, rows(step, step + 2));
      await follow();
    }
    await follow();
    // A resume takes a part back; the reader's next answer does too.
    const artifact = { hash: '8'.repeat(64), bytes: 5 };
    await here.attempts.saveCheckpoint(teacher, claim.attempt, { step: 30, epoch: 3, artifact });
    await here.attempts.preempted(teacher, claim.attempt);
    claim = await here.take(teacher);
    await here.attempts.appendMetrics(teacher, claim.attempt, rows(31, 40, 5), 31, claim.cursor);
    await follow();
    for (let step = 41; step <= 60; step++) {
      await here.attempts.appendMetrics(teacher, claim.attempt, [row(step)]);
      await follow();
    }
    await here.finish(claim);
    await compact(teacher);
    await follow();
    expect(given).toBeLessThan(asked * 10);
  });

  test('rows since a cursor are those that changed', async () => {
    const { teacher } = await train('since');
    const claim = await here.take(teacher);
    await here.attempts.appendMetrics(teacher, claim.attempt, rows(1, 4));
    await here.attempts.appendMetrics(teacher, claim.attempt, rows(5, 6));
    const since = (cursor: number) => here.curves.rows(teacher, { cursor });
    expect(await since(1)).toEqual({ jobId: teacher, cursor: 2, rows: rows(5, 6), replaceFrom: 5 });
    expect(await since(2)).toEqual({ jobId: teacher, cursor: 2, rows: [], replaceFrom: null });
    expect(await since(9)).toMatchObject({ rows: rows(1, 6), replaceFrom: 0 });
    await here.attempts.appendMetrics(teacher, claim.attempt, [], 3);
    expect(await since(2)).toEqual({ jobId: teacher, cursor: 3, rows: [], replaceFrom: 3 });
    await here.finish(claim);
    await compact(teacher);
    expect(await since(2)).toEqual({ jobId: teacher, cursor: 3, rows: rows(1, 2), replaceFrom: 0 });
    expect(await since(3)).toEqual({ jobId: teacher, cursor: 3, rows: [], replaceFrom: null });
  });
});

describeWith('s3', 'on an S3 store', () => {
  let minio: RunningS3;
  beforeAll(async () => {
    minio = await startMinio();
  });
  afterAll(() => minio.stop());

  test('a curve is moved and read in parts', async () => {
    const { host: endpoint, port, accessKey, secretKey } = minio;
    const store = s3Store({ endpoint, port, useSSL: false, accessKey, secretKey, bucket: 'curves' });
    const jobId = await succeeded('on s3', 200);
    const before = await curve(jobId);
    expect(await compact(jobId, store)).toBe(true);
    const curves = new Curves(here.database, store);
    const { curves: found } = await curves.buckets([jobId], {
      resolution: 50,
      from: 50,
      to: 90,
      series: ['train.loss'],
    });
    expect(found[0]?.series['train.loss']).toMatchObject({ of: 41, exact: true });
    expect(await curves.rows(jobId)).toEqual(before);
  });
});
