import { afterAll, beforeAll, describe, expect, test, jest } from '@jest/globals';
import type { JobItem, PlannedJob } from '@ferment/contracts';
import { until } from '../../../test/support/services.js';
import type { Claim } from '../src/index.js';
import { hashFor, offer, startInstallation, type Installation } from './support/installation.js';
import { evaluation, keyOf, smallExperiment } from './support/plans.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(60_000);

let here: Installation;
beforeAll(async () => {
  here = await startInstallation();
});
afterAll(() => here.stop());

const row = (step: number, loss: number) => ({
  step,
  epoch: step / 10,
  time: step,
  values: { 'train.loss': loss },
});
const stage = (jobs: JobItem[], kind: string): JobItem => {
  const found = jobs.find((job) => job.kind === kind);
  if (!found) throw new Error(`no ${kind} job`);
  return found;
};

async function start(salt: string): Promise<{ id: string; teacher: string }> {
  const { id } = await here.experiments.create(smallExperiment(salt));
  return { id, teacher: stage(await here.experiments.jobs(id), 'train').id };
}

describe('a job from submission to its trial', () => {
  test('every stage becomes ready when its inputs are there; the trial ends with figures and files', async () => {
    const { id, teacher } = await start('whole');
    const states = async () => (await here.experiments.jobs(id)).map(({ state }) => state);
    expect(await states()).toEqual(['ready', 'pending', 'pending', 'pending']);
    expect((await here.experiments.describe(id))?.state).toBe('waiting');

    await here.finish(await here.take(teacher));
    expect(await states()).toEqual(['succeeded', 'ready', 'pending', 'pending']);
    expect((await here.experiments.describe(id))?.state).toBe('running');

    const jobs = await here.experiments.jobs(id);
    const student = await here.take(stage(jobs, 'distill').id);
    expect(student.inputs).toEqual({
      continues: null,
      data: null,
      teachers: [{ hash: hashFor(teacher, 'best'), bytes: 10 }],
      start: null,
      outOfFold: [],
    });
    expect(student.inputParams['teachers']).toEqual([expect.objectContaining({ seed: 0 })]);
    await here.finish(student);
    expect(await states()).toEqual(['succeeded', 'succeeded', 'ready', 'ready']);
    await here.finish(await here.take(stage(jobs, 'evaluate').id), evaluation(0.5));
    await here.finish(await here.take(stage(jobs, 'export').id));

    const detail = await here.experiments.describe(id);
    expect(detail).toMatchObject({
      state: 'succeeded',
      trials: { succeeded: 1, running: 0 },
      jobs: { succeeded: 4 },
    });
    expect(detail?.endedAt).not.toBeNull();
    const [trial] = await here.experiments.trials(id);
    expect(trial?.summary['faces']?.test.accuracy).toBe(0.5);
    expect(trial?.downloads.onnx?.hash).toBe(hashFor(stage(jobs, 'export').id, 'onnx'));
  });
});

describe('what several attempts append at the same time', () => {
  const chunksOf = async (jobId: string) =>
    (
      await here.database.pool.query<{ cursor: number; steps: number[] }>(
        `SELECT cursor, ARRAY(SELECT (r->>'step')::int FROM json_array_elements(rows) r) AS steps
         FROM metric_chunk WHERE job_id = $1 ORDER BY cursor`,
        [jobId],
      )
    ).rows;
  const three = async (salt: string) =>
    Promise.all(['a', 'b', 'c'].map(async (name) => here.take((await start(`${salt} ${name}`)).teacher)));

  test('is stored in each its own order; one that is outdated and one that cannot be stored keep nobody from it', async () => {
    const [a, b, c] = (await three('together')) as [Claim, Claim, Claim];
    const append = ({ jobId, attempt }: Claim, step: number) =>
      here.attempts.appendMetrics(jobId, attempt, [row(step, 1)], undefined, step - 1);
    const tooLarge = append({ ...c, attempt: c.attempt }, 2 ** 31).then(String, String);
    const outdated = append({ ...b, attempt: b.attempt + 1 }, 1);
    const stored = [1, 2, 3, 4].flatMap((step) => [append(a, step), append(b, step)]);
    expect(await outdated).toBe(false);
    expect(await tooLarge).toMatch(/out of range/);
    expect(await Promise.all(stored)).toEqual(stored.map(() => true));
    for (const { jobId } of [a, b])
      expect(await chunksOf(jobId)).toEqual([1, 2, 3, 4].map((step) => ({ cursor: step, steps: [step] })));
    expect(await chunksOf(c.jobId)).toEqual([]);
    // The answer was lost on its way: it is sent again, beside others.
    expect(await Promise.all([append(a, 4), append(b, 5), append(c, 1)])).toEqual([true, true, true]);
    expect(await chunksOf(a.jobId)).toHaveLength(4);
  });

  test('does not wait for an attempt that another transaction holds', async () => {
    const [held, other] = (await three('held')) as [Claim, Claim, Claim];
    const holder = await here.database.pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM attempt WHERE job_id = $1 FOR UPDATE', [held.jobId]);
      const append = ({ jobId, attempt }: Claim) => here.attempts.appendMetrics(jobId, attempt, [row(1, 1)]);
      let done = false;
      const waits = append(held).then((stored) => {
        done = true;
        return stored;
      });
      expect(await append(other)).toBe(true);
      expect(done).toBe(false);
      await holder.query('COMMIT');
      expect(await waits).toBe(true);
    } finally {
      holder.release();
    }
  });
});

describe('one attempt at a time', () => {
  test('of many claims of one message, one wins', async () => {
    const { teacher } = await start('race');
    const attempt = await offer(here.database, teacher);
    const message = { jobId: teacher, attempt };
    const claims = await Promise.all(
      Array.from({ length: 12 }, () => here.attempts.claim(message, { id: 'worker-1' })),
    );
    expect(claims.filter((claim) => claim !== null)).toHaveLength(1);
    expect(await here.attempts.claim(message, { id: 'worker-1' })).toBeNull();
  });

  test('an attempt that is not the running one changes nothing, whatever it writes', async () => {
    const { teacher } = await start('fence');
    const first = await here.take(teacher);
    expect(await here.attempts.preempted(teacher, first.attempt)).toBe(true);
    const second = await here.take(teacher);
    const artifact = { hash: 'b'.repeat(64), bytes: 1 };
    const stale = [teacher, first.attempt] as const;
    expect(await here.attempts.appendMetrics(...stale, [row(1, 1)])).toBe(false);
    expect(await here.attempts.saveCheckpoint(...stale, { step: 1, epoch: 1, artifact })).toBe(false);
    expect(
      await here.attempts.complete(...stale, { outputs: { best: artifact, last: artifact }, result: {} }),
    ).toBe(false);
    expect(await here.attempts.fail(...stale, { failureClass: 'transient', reason: 'late' })).toBe(false);
    expect(await here.attempts.preempted(...stale)).toBe(false);
    const { orders } = await here.attempts.heartbeat('worker-1', [
      { jobId: teacher, attempt: first.attempt },
    ]);
    expect(orders[0]?.order).toBe('fenced');

    const job = await here.jobs.get(teacher);
    expect(job).toMatchObject({ state: 'running', outputs: {} });
    expect(job?.attempts.map(({ state }) => state)).toEqual(['preempted', 'running']);
    expect((await here.curves.rows(teacher))?.rows).toEqual([]);
    expect(await here.attempts.appendMetrics(teacher, second.attempt, [row(1, 1)])).toBe(true);
  });

  test('success may be reported again, by the attempt that succeeded and by no other', async () => {
    const { teacher } = await start('repeat');
    const claim = await here.take(teacher);
    await here.finish(claim);
    await here.finish(claim);
    const artifact = { hash: 'c'.repeat(64), bytes: 1 };
    const outputs = { best: artifact, last: artifact };
    expect(await here.attempts.complete(teacher, claim.attempt + 1, { outputs, result: {} })).toBe(false);
    expect((await here.jobs.get(teacher))?.outputs['best']?.hash).toBe(hashFor(teacher, 'best'));
  });

  test('a success without one of its outputs is refused, and the attempt goes on', async () => {
    const { teacher } = await start('missing-output');
    const claim = await here.take(teacher);
    const outputs = { best: { hash: 'd'.repeat(64), bytes: 1 } };
    await expect(here.attempts.complete(teacher, claim.attempt, { outputs, result: {} })).rejects.toThrow(
      'no output last',
    );
    await here.finish(claim);
  });
});

describe('failures', () => {
  test('transient ones are tried again later, five times, and then block what depends on the job', async () => {
    const { id, teacher } = await start('transient');
    for (let failure = 1; failure <= 6; failure++) {
      const claim = await here.take(teacher);
      await here.attempts.fail(teacher, claim.attempt, {
        failureClass: 'transient',
        reason: `network ${failure}`,
      });
      const { rows } = await here.database.pool.query<{ wait: number | null }>(
        'SELECT extract(epoch FROM j.not_before - a.ended_at)::float8 AS wait FROM job j JOIN attempt a ON a.job_id = j.id WHERE j.id = $1 AND a.number = $2',
        [teacher, claim.attempt],
      );
      const longest = 0.02 * 2 ** (failure - 1);
      if (failure <= 5) {
        expect(rows[0]?.wait).toBeGreaterThanOrEqual(longest / 2);
        expect(rows[0]?.wait).toBeLessThanOrEqual(longest);
      }
      expect((await here.jobs.get(teacher))?.state).toBe(failure <= 5 ? 'ready' : 'failed');
    }
    const jobs = await here.experiments.jobs(id);
    expect(jobs.map(({ state }) => state)).toEqual(['failed', 'blocked', 'blocked', 'blocked']);
    expect(jobs[3]?.reason).toBe('train teacher failed: network 6');
    const detail = await here.experiments.describe(id);
    expect(detail).toMatchObject({
      state: 'failed',
      jobs: { failed: 1, blocked: 3 },
      trials: { failed: 1, waiting: 0 },
    });
    expect((await here.experiments.trials(id))[0]?.reason).toBe('network 6');
  });

  test.each(['user', 'diverged'] as const)(
    '%s ones are not tried again, and are inherited with their reason',
    async (failureClass) => {
      const { teacher } = await start(failureClass);
      const claim = await here.take(teacher);
      await here.attempts.fail(teacher, claim.attempt, { failureClass, reason: 'diverged at step 12' });
      expect(await here.jobs.get(teacher)).toMatchObject({
        state: 'failed',
        failureClass,
        reason: 'diverged at step 12',
      });
      const again = await here.experiments.create(smallExperiment(failureClass));
      expect(await here.experiments.describe(again.id)).toMatchObject({
        state: 'failed',
        trials: { failed: 1 },
      });
    },
  );

  test('out of memory is tried once more', async () => {
    const { teacher } = await start('memory');
    for (const state of ['ready', 'failed']) {
      const claim = await here.take(teacher);
      await here.attempts.fail(teacher, claim.attempt, { failureClass: 'resource', reason: 'out of memory' });
      expect((await here.jobs.get(teacher))?.state).toBe(state);
    }
  });

  test('a new experiment tries again what failed for a passing reason, and frees what that had blocked', async () => {
    const { id, teacher } = await start('revive');
    for (let failure = 1; failure <= 6; failure++) {
      const claim = await here.take(teacher);
      await here.attempts.fail(teacher, claim.attempt, { failureClass: 'transient', reason: 'disk full' });
    }
    const again = await here.experiments.create(smallExperiment('revive'));
    for (const experiment of [id, again.id]) {
      const jobs = await here.experiments.jobs(experiment);
      expect(jobs.map(({ state }) => state)).toEqual(['ready', 'pending', 'pending', 'pending']);
      expect(await here.experiments.describe(experiment)).toMatchObject({
        state: 'waiting',
        endedAt: null,
        jobs: { ready: 1, pending: 3 },
        trials: { waiting: 1, failed: 0 },
      });
    }
    await here.finish(await here.take(teacher));
  });

  test('a job asked for by id gives what its failure lists in full; a list of jobs does not', async () => {
    const { id, teacher } = await start('details');
    const claim = await here.take(teacher);
    const details = {
      pairs: Array.from({ length: 7 }, (_, image) => ({ train: image, split: 'test', image })),
    };
    await here.attempts.fail(teacher, claim.attempt, { failureClass: 'user', reason: 'leak: 7', details });
    expect((await here.jobs.get(teacher))?.attempts.map((attempt) => attempt.details)).toEqual([details]);
    const listed = stage(await here.experiments.jobs(id), 'train');
    expect(listed.attempts.map((attempt) => attempt.details)).toEqual([null]);
  });

  test('a corrupt input runs its producer again also when the budget is used up, and does not count against it', async () => {
    const { id, teacher } = await start('corrupt-spent');
    await here.finish(await here.take(teacher));
    const student = stage(await here.experiments.jobs(id), 'distill').id;
    const fail = async (details: Record<string, unknown>) => {
      const { attempt } = await here.take(student);
      await here.attempts.fail(student, attempt, {
        failureClass: 'transient',
        reason: 'unreadable',
        details,
      });
    };
    const states = async () => (await here.experiments.jobs(id)).map(({ state }) => state);
    for (let failure = 1; failure <= 5; failure++) await fail({});
    for (let time = 1; time <= 2; time++) {
      await fail({ corruptArtifact: hashFor(teacher, 'best') });
      expect(await states()).toEqual(['ready', 'pending', 'pending', 'pending']);
      await here.finish(await here.take(teacher));
    }
    // Nobody makes this one again: that counts, and it is one too many.
    await fail({ corruptArtifact: 'f'.repeat(64) });
    expect(await states()).toEqual(['succeeded', 'failed', 'blocked', 'blocked']);
  });

  test('an uploaded file that is damaged fails its import at once, with what to do; asked again it is tried again', async () => {
    const source = '5d'.repeat(32);
    const params = { dataset: 'torn', source, fileName: 'f.csv', skipBad: false, synthetic: false };
    const job = {
      ...{ key: keyOf('torn import'), kind: 'import', params, inputs: [], stage: null },
      ...{ resource: 'light', threads: 1, cost: null },
    } as const satisfies PlannedJob;
    const { id } = await here.jobs.submit({ ...job, inputs: [] });
    const { attempt } = await here.take(id);
    const details = { corruptArtifact: source };
    await here.attempts.fail(id, attempt, { failureClass: 'transient', reason: 'torn', details });
    expect(await here.jobs.get(id)).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/5d5d is damaged or gone .* upload it once more/),
    });
    await here.jobs.submit({ ...job, inputs: [] });
    expect((await here.jobs.get(id))?.state).toBe('ready');
  });

  test('a corrupt checkpoint is forgotten: the job starts anew and no attempt is charged', async () => {
    const { teacher } = await start('corrupt-checkpoint');
    const first = await here.take(teacher);
    const artifact = { hash: '9'.repeat(64), bytes: 3 };
    await here.attempts.saveCheckpoint(teacher, first.attempt, { step: 4, epoch: 1, artifact });
    await here.attempts.preempted(teacher, first.attempt);
    const second = await here.take(teacher);
    expect(second.resume?.hash).toBe(artifact.hash);
    const details = { corruptArtifact: artifact.hash };
    await here.attempts.fail(teacher, second.attempt, { failureClass: 'transient', reason: 'torn', details });
    expect((await here.take(teacher)).resume).toBeNull();
  });

  test('whoever finds a corrupt artifact has it made again, of whatever kind; repeating it changes nothing', async () => {
    const { id, teacher } = await start('artifact-corrupt');
    for (const { id: jobId, kind } of await here.experiments.jobs(id))
      await here.finish(await here.take(jobId), kind === 'evaluate' ? evaluation(0.5) : {});
    const jobs = await here.experiments.jobs(id);
    const states = async () => (await here.experiments.jobs(id)).map(({ state }) => state);
    await here.jobs.artifactCorrupt('f'.repeat(64));
    expect(await states()).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);

    const evaluate = stage(jobs, 'evaluate').id;
    const exported = stage(jobs, 'export').id;
    await here.jobs.artifactCorrupt(hashFor(exported, 'onnx'));
    await here.jobs.artifactCorrupt(hashFor(exported, 'onnx'));
    await here.jobs.artifactCorrupt(hashFor(evaluate, 'metrics'));
    expect(await states()).toEqual(['succeeded', 'succeeded', 'ready', 'ready']);
    expect(await here.experiments.describe(id)).toMatchObject({ state: 'running', endedAt: null });

    // The teacher's files go too, and the student with its own: nothing runs before its input is there.
    await here.jobs.artifactCorrupt(hashFor(teacher, 'best'));
    await here.jobs.artifactCorrupt(hashFor(stage(jobs, 'distill').id, 'best'));
    expect(await states()).toEqual(['ready', 'pending', 'pending', 'pending']);
    for (const { id: jobId, kind } of jobs)
      await here.finish(await here.take(jobId), kind === 'evaluate' ? evaluation(0.5) : {});
    expect(await here.experiments.describe(id)).toMatchObject({ state: 'succeeded' });
  });

  test('a corrupt input runs its producer again before the job', async () => {
    const { id, teacher } = await start('corrupt');
    await here.finish(await here.take(teacher));
    const student = await here.take(stage(await here.experiments.jobs(id), 'distill').id);
    const failure = {
      failureClass: 'transient',
      reason: 'the teacher does not match its hash',
      details: { corruptArtifact: hashFor(teacher, 'best') },
    } as const;
    expect(await here.attempts.fail(student.jobId, student.attempt, failure)).toBe(true);
    expect((await here.experiments.jobs(id)).map(({ state }) => state)).toEqual([
      'ready',
      'pending',
      'pending',
      'pending',
    ]);
    await here.finish(await here.take(teacher));
    expect((await here.jobs.get(student.jobId))?.state).toBe('ready');
  });
});

describe('curves', () => {
  test('a chunk that is sent again because its answer was lost is stored once', async () => {
    const { teacher } = await start('repeated-chunk');
    const first = await here.take(teacher);
    expect(first.cursor).toBe(0);
    const append = (attempt: number, after: number, step: number, truncateFrom?: number) =>
      here.attempts.appendMetrics(teacher, attempt, [row(step, step)], truncateFrom, after);
    expect(await append(first.attempt, 0, 1)).toBe(true);
    expect(await append(first.attempt, 0, 1)).toBe(true);
    // The first is still under way when the second comes.
    const both = await Promise.all([append(first.attempt, 1, 2), append(first.attempt, 1, 2)]);
    expect(both).toEqual([true, true]);
    expect((await here.curves.rows(teacher))?.cursor).toBe(2);
    await here.attempts.preempted(teacher, first.attempt);
    const second = await here.take(teacher);
    expect(second.cursor).toBe(2);
    expect(await append(second.attempt, 2, 1, 0)).toBe(true);
    expect(await append(second.attempt, 2, 1, 0)).toBe(true);
    expect(await append(first.attempt, 2, 3)).toBe(false);
    const { rows } = await here.database.pool.query(
      'SELECT cursor, attempt, from_step FROM metric_chunk WHERE job_id = $1 ORDER BY cursor',
      [teacher],
    );
    expect(rows).toEqual([
      { cursor: 1, attempt: first.attempt, from_step: 1 },
      { cursor: 2, attempt: first.attempt, from_step: 2 },
      { cursor: 3, attempt: second.attempt, from_step: 1 },
    ]);
  });

  test('after a resume a step stands once, and later attempts win', async () => {
    const { teacher } = await start('curve');
    const first = await here.take(teacher);
    await here.attempts.appendMetrics(teacher, first.attempt, [row(1, 10), row(2, 20)]);
    await here.attempts.appendMetrics(teacher, first.attempt, [row(3, 30), row(4, 40)]);
    const artifact = { hash: 'e'.repeat(64), bytes: 5 };
    await here.attempts.saveCheckpoint(teacher, first.attempt, { step: 2, epoch: 0.2, artifact });
    await here.attempts.preempted(teacher, first.attempt);

    const second = await here.take(teacher);
    expect(second.resume).toEqual({ hash: artifact.hash, step: 2 });
    await here.attempts.appendMetrics(teacher, second.attempt, [], 3);
    expect((await here.curves.rows(teacher))?.rows.map(({ step }) => step)).toEqual([1, 2]);
    await here.attempts.appendMetrics(teacher, second.attempt, [row(3, 31)]);
    await here.attempts.appendMetrics(teacher, second.attempt, [row(4, 41), row(5, Number.NaN)]);

    const curve = await here.curves.rows(teacher);
    expect(curve?.cursor).toBe(5);
    expect(curve?.rows.map(({ step, values }) => [step, values['train.loss']])).toEqual([
      [1, 10],
      [2, 20],
      [3, 31],
      [4, 41],
      [5, null],
    ]);
    expect((await here.curves.rows(teacher, { from: 3, to: 4 }))?.rows.map(({ step }) => step)).toEqual([
      3, 4,
    ]);
    expect((await here.jobs.get(teacher))?.attempts[1]?.resumedFromStep).toBe(2);
    expect(await here.jobs.checkpoints(teacher)).toMatchObject([{ step: 2, hash: artifact.hash, bytes: 5 }]);

    expect((await here.jobs.get(teacher))?.summaries).toEqual({});
    await here.finish(second);
    expect((await here.jobs.get(teacher))?.summaries).toEqual({
      'train.loss': { points: 4, lastStep: 4, last: 41, min: 10, max: 41 },
    });
  });
});

describe('checkpoints', () => {
  const state = (letter: string) => ({ hash: letter.repeat(64), bytes: 4 });
  const kept = async (jobId: string) => ((await here.jobs.checkpoints(jobId)) ?? []).map(({ step }) => step);
  const discarded = async (jobId: string): Promise<string[]> => {
    const hashes: string[] = [];
    await here.attempts.discardCheckpoints(jobId, async (hash) => void hashes.push(hash));
    return hashes.map((hash) => hash.charAt(0)).sort();
  };

  test('a newer one takes the place of the older ones, a success that of all', async () => {
    const { teacher } = await start('retention');
    const first = await here.take(teacher);
    const save = (attempt: number, step: number, letter: string) =>
      here.attempts.saveCheckpoint(teacher, attempt, { step, epoch: step, artifact: state(letter) });
    await save(first.attempt, 1, '1');
    expect(await discarded(teacher)).toEqual([]);
    await save(first.attempt, 2, '2');
    expect(await kept(teacher)).toEqual([2]);
    expect(await discarded(teacher)).toEqual(['1']);
    expect(await discarded(teacher)).toEqual([]);
    // Saved again at the same step; nobody came to remove the one before.
    await save(first.attempt, 2, '3');
    await save(first.attempt, 2, '3');
    await here.attempts.preempted(teacher, first.attempt);

    const second = await here.take(teacher);
    expect(second.resume?.hash).toBe(state('3').hash);
    await save(second.attempt, 5, '5');
    expect(await kept(teacher)).toEqual([5]);
    expect(await discarded(teacher)).toEqual(['2', '3']);
    await here.finish(second);
    expect(await kept(teacher)).toEqual([]);
    expect(await discarded(teacher)).toEqual(['5']);
    expect((await here.jobs.get(teacher))?.outputs['last']?.hash).toBe(hashFor(teacher, 'last'));
  });

  test('bytes that another checkpoint or an output refers to stay', async () => {
    const [one, two] = [await start('retention-one'), await start('retention-two')];
    const [first, second] = [await here.take(one.teacher), await here.take(two.teacher)];
    const output = { hash: hashFor(two.teacher, 'last'), bytes: 10 };
    const save = (claim: typeof first, step: number, artifact: { hash: string; bytes: number }) =>
      here.attempts.saveCheckpoint(claim.jobId, claim.attempt, { step, epoch: step, artifact });
    await save(first, 1, state('7'));
    await save(second, 1, state('7'));
    await save(first, 2, output);
    expect(await discarded(one.teacher)).toEqual([]);
    await here.finish(second);
    await save(first, 3, state('8'));
    expect(await discarded(one.teacher)).toEqual(['7']);
    expect(await here.database.prisma.artifact.count({ where: { hash: output.hash } })).toBe(1);
  });

  test('one that is recorded while the same bytes are being removed is recorded anew', async () => {
    const [one, two] = [await start('retention-race'), await start('retention-race-two')];
    const [first, second] = [await here.take(one.teacher), await here.take(two.teacher)];
    const save = (claim: typeof first, step: number, letter: string) =>
      here.attempts.saveCheckpoint(claim.jobId, claim.attempt, {
        step,
        epoch: step,
        artifact: state(letter),
      });
    await save(first, 1, '4');
    await save(first, 2, '6');
    let racing: Promise<boolean> | undefined;
    await here.attempts.discardCheckpoints(one.teacher, async () => {
      racing = save(second, 1, '4');
      await until('it waits for the removal', async () => {
        const { rowCount } = await here.database.pool.query(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INTO artifact%'`,
        );
        return rowCount === 1;
      });
    });
    expect(await racing).toBe(true);
    expect(await kept(two.teacher)).toEqual([1]);
    expect(await here.database.prisma.artifact.count({ where: { hash: state('4').hash } })).toBe(1);
  });

  test('the last one is still there after its attempt diverged', async () => {
    const { teacher } = await start('diverged-checkpoint');
    const claim = await here.take(teacher);
    const artifact = state('a');
    await here.attempts.saveCheckpoint(teacher, claim.attempt, { step: 9, epoch: 1, artifact });
    const reason = 'diverged at step 12';
    await here.attempts.fail(teacher, claim.attempt, { failureClass: 'diverged', reason });
    expect(await here.jobs.checkpoints(teacher)).toMatchObject([{ step: 9, hash: artifact.hash }]);
    expect(await discarded(teacher)).toEqual([]);
  });
});

describe('demand', () => {
  test('cancelling one experiment never stops a job that another wants', async () => {
    const { id: first, teacher } = await start('shared');
    const { id: second } = await here.experiments.create(smallExperiment('shared'));
    const claim = await here.take(teacher);
    expect(await here.experiments.cancel(first)).toBe(true);
    expect(await here.experiments.describe(first)).toMatchObject({
      state: 'cancelled',
      trials: { cancelled: 1 },
      jobs: { cancelled: 4 },
    });
    const beat = () => here.attempts.heartbeat('worker-1', [{ jobId: teacher, attempt: claim.attempt }]);
    expect((await beat()).orders[0]?.order).toBe('continue');

    expect(await here.experiments.cancel(second)).toBe(true);
    expect((await beat()).orders[0]?.order).toBe('cancel');
    expect(await here.attempts.appendMetrics(teacher, claim.attempt, [row(1, 1)])).toBe(false);
    expect((await here.jobs.get(teacher))?.state).toBe('cancelled');

    // Wanted again, it starts anew, and the experiments that were cancelled stay so.
    const { id: third } = await here.experiments.create(smallExperiment('shared'));
    expect((await here.experiments.jobs(third)).map(({ state }) => state)).toEqual([
      'ready',
      'pending',
      'pending',
      'pending',
    ]);
    await here.finish(await here.take(teacher));
    expect((await here.experiments.describe(first))?.state).toBe('cancelled');
    expect((await here.experiments.describe(third))?.state).toBe('running');
    expect(await here.experiments.cancel('00000000-0000-4000-8000-000000000000')).toBe(false);
  });

  test('finished work is reused: an equal experiment has ended when it is created', async () => {
    const { id } = await start('reuse');
    for (const { id: jobId, kind } of await here.experiments.jobs(id)) {
      await here.finish(await here.take(jobId), kind === 'evaluate' ? evaluation(0.25) : {});
    }
    const again = await here.experiments.create(smallExperiment('reuse'));
    const detail = await here.experiments.describe(again.id);
    expect(detail).toMatchObject({
      state: 'succeeded',
      trainings: { withoutSharing: 2, planned: 2, cached: 2 },
    });
    expect((await here.experiments.jobs(again.id)).every(({ cached }) => cached)).toBe(true);
    expect((await here.experiments.trials(again.id))[0]?.summary['faces']?.validation?.macroF1).toBe(0.25);
  });

  test('a trial keeps its fold, and figures of data that are only tested on have no validation', async () => {
    const input = smallExperiment('folds', { seeds: [0, 1] });
    const trials = input.plan.trials.map((trial) => ({ ...trial, fold: trial.seed === 0 ? null : 3 }));
    const { id } = await here.experiments.create({ ...input, plan: { ...input.plan, trials } });
    const whole = evaluation(0.25) as { splits: object };
    const tested = { ...whole, splits: { ...whole.splits, validation: null } };
    for (const { id: jobId, kind } of await here.experiments.jobs(id)) {
      await here.finish(await here.take(jobId), kind === 'evaluate' ? tested : {});
    }
    const found = await here.experiments.trials(id);
    expect(found.map(({ seed, fold }) => [seed, fold])).toEqual([
      [0, null],
      [1, 3],
    ]);
    expect(found[1]?.summary['faces']).toMatchObject({ validation: null, test: { macroF1: 0.25 } });
    expect((await here.experiments.tableInputs(id))?.trials.map(({ fold }) => fold)).toEqual([null, 3]);
  });

  test('a draining worker is given nothing and told to hand back what it has', async () => {
    const { teacher } = await start('drain');
    await here.workers.register({ id: 'worker-2', host: 'here', pid: 2, slots: { cpu: 1 } });
    const claim = await here.take(teacher, 'worker-2');
    expect(await here.workers.drain('worker-2')).toBe(true);
    expect(await here.attempts.heartbeat('worker-2', [{ jobId: teacher, attempt: claim.attempt }])).toEqual({
      draining: true,
      orders: [{ jobId: teacher, attempt: claim.attempt, order: 'pause' }],
    });
    await here.attempts.preempted(teacher, claim.attempt);
    const attempt = await offer(here.database, teacher);
    expect(await here.attempts.claim({ jobId: teacher, attempt }, { id: 'worker-2' })).toBeNull();
    await here.finish(await here.take(teacher));
  });

  test('an idempotency key names one experiment', async () => {
    const input = { ...smallExperiment('idempotent'), idempotency: { key: 'key-1', requestHash: 'a' } };
    const answers = await Promise.all([here.experiments.create(input), here.experiments.create(input)]);
    expect(answers[0]?.id).toBe(answers[1]?.id);
    expect(answers.filter(({ created }) => created)).toHaveLength(1);
  });
});
