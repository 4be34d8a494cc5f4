/** What must be true of an experiment that has ended, whatever happened on the way; every way in which it is not. */
import type { MetricRow } from '@ferment/contracts';
import { until } from '../support/services.js';
import type { Cluster } from './cluster.js';

interface JobRow {
  id: string;
  kind: string;
  state: string;
  attempts: string[];
  steps: number[];
}

/**
 * @param expected jobs that the plan has, and steps of each of its trainings
 */
export async function broken(
  cluster: Cluster,
  experimentId: string,
  expected: { trials: number; jobs: number; steps: number },
): Promise<string[]> {
  const { pool } = cluster.database;
  const problems: string[] = [];
  const experiment = await cluster.client.experiment(experimentId);
  if (experiment.state !== 'succeeded') problems.push(`the experiment ${experiment.state}`);
  const trials = await cluster.client.trials(experimentId);
  const unlike = trials.filter(({ state }) => state !== 'succeeded');
  for (const { id, state, reason } of unlike) problems.push(`trial ${id} ${state}: ${reason ?? 'no reason'}`);
  if (trials.length !== expected.trials) problems.push(`${trials.length} trials, not ${expected.trials}`);

  const { rows } = await pool.query<JobRow>(
    `SELECT j.id, j.kind, j.state, coalesce((SELECT array_agg(a.state ORDER BY a.number) FROM attempt a
         WHERE a.job_id = j.id), '{}') AS attempts, '{}'::int[] AS steps
     FROM demand d JOIN job j ON j.id = d.job_id WHERE d.experiment_id = $1`,
    [experimentId],
  );
  if (rows.length !== expected.jobs) problems.push(`${rows.length} jobs, not ${expected.jobs}`);
  for (const { id, kind, state, attempts } of rows) {
    const successes = attempts.filter((attempt) => attempt === 'succeeded').length;
    if (state !== 'succeeded' || successes !== 1 || attempts.includes('running'))
      problems.push(`${kind} ${id} is ${state} after ${attempts.join(', ')}`);
  }
  for (const { id, kind } of rows.filter((job) => job.kind === 'train')) {
    const { rows: curve } = await cluster.client.jobMetrics(id);
    const steps = curve.filter(({ values }) => 'train.loss' in values).map(({ step }) => step);
    const every = Array.from({ length: expected.steps }, (_, index) => index + 1);
    if (JSON.stringify(steps) !== JSON.stringify(every))
      problems.push(
        `${kind} ${id}: ${steps.length} steps in its curve, ${new Set(steps).size} of them different`,
      );
  }
  problems.push(...(await saidTwice(pool, experimentId)));

  const outputs = await pool.query<{ hash: string; bytes: string }>(
    `SELECT DISTINCT a.hash, a.bytes FROM demand d JOIN job_output o ON o.job_id = d.job_id
       JOIN artifact a ON a.hash = o.hash WHERE d.experiment_id = $1`,
    [experimentId],
  );
  for (const { hash } of outputs.rows) {
    const wrong = await unverified(cluster, hash);
    if (wrong !== null) problems.push(`artifact ${hash}: ${wrong}`);
  }
  // The ablation table's job may follow the last result.
  await until('no attempt runs any more', async () => {
    const running = await pool.query(`SELECT FROM attempt WHERE state = 'running'`);
    return running.rowCount === 0;
  }).catch((error: unknown) => problems.push(String(error)));
  const counted = await pool.query<{ trials: number; jobs: number }>(
    `SELECT (trial_counts->>'succeeded')::int AS trials, (job_counts->>'succeeded')::int AS jobs
     FROM experiment WHERE id = $1`,
    [experimentId],
  );
  const counters = counted.rows[0];
  if (counters?.trials !== expected.trials || counters.jobs !== expected.jobs)
    problems.push(`its counters say ${JSON.stringify(counters)}`);
  return problems;
}

interface AcceptedChunk {
  job: string;
  truncateFrom: number | null;
  rows: MetricRow[];
}

/** Figures that were accepted although an earlier chunk had said them, and no resume had taken that back. */
async function saidTwice(pool: Cluster['database']['pool'], experimentId: string): Promise<string[]> {
  const { rows: chunks } = await pool.query<AcceptedChunk>(
    `SELECT c.job_id AS job, c.truncate_from AS "truncateFrom", c.rows FROM _accepted_chunk c JOIN demand d ON d.job_id = c.job_id
     WHERE d.experiment_id = $1 ORDER BY c.job_id, c.cursor`,
    [experimentId],
  );
  const said = new Map<string, Map<number, Set<string>>>();
  const twice: string[] = [];
  for (const { job, truncateFrom, rows } of chunks) {
    const steps = said.get(job) ?? new Map<number, Set<string>>();
    said.set(job, steps);
    // A checkpoint at the end of an epoch is from before its evaluation: who goes on from it says its step's row again,
    // which takes the place of the first.
    for (const step of truncateFrom === null ? [] : [...steps.keys()])
      if (step >= (truncateFrom ?? 0) - 1) steps.delete(step);
    for (const { step, values } of rows) {
      const series = steps.get(step) ?? new Set<string>();
      steps.set(step, series);
      for (const name of Object.keys(values)) {
        if (series.has(name)) twice.push(`job ${job} said ${name} of step ${step} twice`);
        series.add(name);
      }
    }
  }
  return chunks.length === 0 ? ['no metric row was ever accepted'] : twice;
}

/** Why the bytes are not what their name says; null when they are. */
async function unverified(cluster: Cluster, hash: string): Promise<string | null> {
  try {
    await cluster.store.read(hash);
    return null;
  } catch (error) {
    return String(error);
  }
}
