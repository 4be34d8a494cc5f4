import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import {
  experimentState,
  failureClasses,
  trialState,
  type ExperimentState,
  type FailureClass,
  type JobState,
  type TrialState,
} from '@ferment/contracts';
import { Conflict, type Claim } from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';
import { evaluation, smallExperiment } from './support/plans.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(180_000);

let here: Installation;
beforeAll(async () => {
  here = await startInstallation();
});
afterAll(() => here.stop());

interface JobRow {
  id: string;
  state: JobState;
  inputs: JobState[];
  attempt: number;
  running: number[];
  wanted: boolean;
}

/** What must hold after every change, whatever it was; the jobs that could be claimed next. */
async function check(): Promise<JobRow[]> {
  const { rows } = await here.database.pool.query<JobRow>(
    `SELECT j.id, j.state, j.attempt,
       coalesce((SELECT array_agg(i.state) FROM job_dependency d JOIN job i ON i.id = d.from_job_id WHERE d.job_id = j.id), '{}')
         AS inputs,
       EXISTS (SELECT FROM demand d WHERE d.job_id = j.id AND d.state = 'wanted') AS wanted,
       coalesce((SELECT array_agg(a.number) FROM attempt a WHERE a.job_id = j.id AND a.state = 'running'), '{}') AS running
     FROM job j ORDER BY j.sequence`,
  );
  for (const job of rows) {
    const complete = job.inputs.every((state) => state === 'succeeded');
    const broken = job.inputs.some((state) => state === 'failed' || state === 'blocked');
    if (job.state === 'ready' || job.state === 'pending')
      expect(job).toMatchObject({ state: complete ? 'ready' : 'pending' });
    if (job.state === 'pending' || job.state === 'blocked')
      expect(job).toMatchObject({ state: broken ? 'blocked' : 'pending' });
    expect(job.running).toEqual(job.state === 'running' ? [job.attempt] : []);
  }
  const trials = await here.database.pool.query<{ state: TrialState; jobs: JobState[]; paused: boolean }>(
    `SELECT t.state, array_agg(j.state) AS jobs, e.paused_at IS NOT NULL AS paused
     FROM trial t JOIN trial_job r ON r.trial_id = t.id
       JOIN job j ON j.id = r.job_id JOIN experiment e ON e.id = t.experiment_id
     WHERE e.cancelled_at IS NULL GROUP BY t.id, e.id`,
  );
  for (const { state, jobs, paused } of trials.rows) expect(state).toBe(trialState(jobs, { paused }));
  const experiments = await here.database.pool.query<{
    state: ExperimentState;
    trials: TrialState[];
    stopping: boolean;
    ended: boolean;
  }>(
    `SELECT e.state, e.ended_at IS NOT NULL AS ended,
       (SELECT array_agg(DISTINCT t.state) FROM trial t WHERE t.experiment_id = e.id) AS trials,
       EXISTS (SELECT FROM demand d JOIN job j ON j.id = d.job_id AND j.state = 'running'
         WHERE d.experiment_id = e.id AND d.state = 'paused'
           AND NOT EXISTS (SELECT FROM demand o WHERE o.job_id = j.id AND o.state = 'wanted')) AS stopping
     FROM experiment e`,
  );
  for (const { state, trials: states, stopping, ended } of experiments.rows) {
    expect(state).toBe(experimentState(states, stopping));
    expect(ended).toBe(['succeeded', 'failed', 'cancelled'].includes(state));
  }
  const wrong = await here.database.pool.query(
    `SELECT e.id FROM experiment e WHERE EXISTS (
       SELECT FROM (SELECT state, count(*) AS n FROM trial t WHERE t.experiment_id = e.id GROUP BY state) c
       WHERE coalesce((e.trial_counts->>c.state)::int, 0) <> c.n)
     OR (SELECT sum(value::int) FROM json_each_text(e.job_counts)) <> (SELECT count(*) FROM demand d WHERE d.experiment_id = e.id)
     OR EXISTS (
       SELECT FROM (SELECT j.state, count(*) AS n FROM demand d JOIN job j ON j.id = d.job_id
         WHERE d.experiment_id = e.id AND d.state <> 'withdrawn' GROUP BY j.state) c
       WHERE coalesce((e.job_counts->>c.state)::int, 0) <> c.n)`,
  );
  expect(wrong.rows).toEqual([]);
  return rows;
}

type Step =
  | { do: 'create'; variants: number; seeds: number }
  | { do: 'claim' | 'complete' | 'preempt'; at: number }
  | { do: 'fail'; at: number; failureClass: FailureClass }
  | { do: 'extend'; at: number; seeds: number }
  | { do: 'pause' | 'resume' | 'cancel' | 'delete' | 'retry'; at: number };

const at = fc.nat({ max: 1000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      variants: fc.integer({ min: 1, max: 2 }),
      seeds: fc.integer({ min: 1, max: 2 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('claim' as const), at }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('complete' as const), at }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('preempt' as const), at }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      at,
      failureClass: fc.constantFrom<FailureClass>(...failureClasses),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'pause' as const,
        'pause' as const,
        'resume' as const,
        'cancel' as const,
        'delete' as const,
      ),
      at,
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('retry' as const), at }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('extend' as const), at, seeds: fc.integer({ min: 1, max: 3 }) }),
  },
);

/** Whether a change was made; a refusal because of what state things are in is an answer, too. */
async function permitted(change: Promise<unknown>): Promise<boolean> {
  return change.then(
    () => true,
    (error: unknown) => {
      if (error instanceof Conflict) return false;
      throw error;
    },
  );
}

test('whatever happens in whatever order, states follow from each other and counters from states', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 25 }), async (steps) => {
      await here.database.pool.query(
        'TRUNCATE experiment, trial, trial_job, job, job_dependency, demand, attempt, job_output, event CASCADE',
      );
      run += 1;
      const experiments: { id: string; variants: number; seeds: number }[] = [];
      const claims: Claim[] = [];
      const inputOf = (variants: number, seeds: number) =>
        smallExperiment(`run ${run}`, {
          variants: ['kd', 'plain'].slice(0, variants),
          seeds: [0, 1, 2].slice(0, seeds),
        });
      const create = async (variants: number, seeds: number): Promise<void> => {
        const { id } = await here.experiments.create(inputOf(variants, seeds));
        experiments.push({ id, variants, seeds });
      };
      await create(1, 2);
      let jobs = await check();
      const pick = <T>(from: readonly T[], place: number): T | undefined =>
        from[place % Math.max(1, from.length)];
      for (const now of steps) {
        if (now.do === 'create') await create(now.variants, now.seeds);
        const experiment = 'at' in now ? pick(experiments, now.at) : undefined;
        if (experiment && (now.do === 'pause' || now.do === 'resume' || now.do === 'cancel')) {
          const { do: change } = now;
          const act = () => permitted(here.experiments[change](experiment.id));
          // Twice is once.
          if (await act()) expect(await act()).toBe(true);
        }
        if (experiment && now.do === 'delete' && (await permitted(here.experiments.delete(experiment.id)))) {
          experiments.splice(experiments.indexOf(experiment), 1);
        }
        if (experiment && now.do === 'retry') {
          const trial = pick(await here.experiments.trials(experiment.id), now.at);
          await permitted(here.experiments.retryTrial(trial?.id ?? ''));
        }
        if (experiment && now.do === 'extend') {
          const { spec, plan } = inputOf(experiment.variants, now.seeds);
          const done = await permitted(here.experiments.extend(experiment.id, spec, plan));
          const fewer = now.seeds < experiment.seeds;
          if (fewer) expect(done).toBe(false);
          if (done) experiment.seeds = now.seeds;
        }
        if (now.do === 'claim') {
          const job = pick(
            jobs.filter(({ state, wanted }) => state === 'ready' && wanted),
            now.at,
          );
          if (job) claims.push(await here.take(job.id));
        }
        if (now.do === 'complete' || now.do === 'preempt' || now.do === 'fail') {
          const claim = pick(claims, now.at);
          if (!claim) continue;
          claims.splice(claims.indexOf(claim), 1);
          const { jobId, attempt } = claim;
          const current = jobs.find(({ id }) => id === jobId)?.running.includes(attempt) ?? false;
          const accepted =
            now.do === 'preempt'
              ? await here.attempts.preempted(jobId, attempt)
              : now.do === 'fail'
                ? await here.attempts.fail(jobId, attempt, {
                    failureClass: now.failureClass,
                    reason: 'so it goes',
                  })
                : await here.finish(claim, claim.kind === 'evaluate' ? evaluation(0.5) : {}).then(
                    () => true,
                    () => false,
                  );
          expect(accepted).toBe(current);
        }
        jobs = await check();
      }
    }),
    { numRuns: 40 },
  );
});
