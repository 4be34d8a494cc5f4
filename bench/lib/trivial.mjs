// Experiments of jobs that compute nothing: each trial a job that makes a checkpoint, and one that depends on it.
import { createHash, randomUUID } from 'node:crypto';
import { experimentSpec } from '@ferment/contracts';
import { Experiments } from '@ferment/platform';

const data = {
  dataset: 'faces',
  version: 'a'.repeat(64),
  labels: 'fer',
  classes: 7,
  protocol: 'official',
  preprocess: { size: 48, channels: 1 },
  subset: null,
};
const model = { name: 'vgg', width: 0.125, dropout: 0 };

function trivialJob(kind, marker, inputs) {
  const key = createHash('sha256').update(marker).digest('hex');
  const params = { data, model, marker };
  return { key, kind, params, inputs, stage: 'net', resource: 'cpu', threads: 1, cost: null };
}

/** An experiment of so many jobs; an odd last one has nothing that depends on it. */
export function trivialExperiment(jobs) {
  const name = `trivial-${randomUUID()}`;
  const stages = { net: { kind: 'train', model, train: { epochs: 1 } } };
  const trials = Array.from({ length: Math.ceil(jobs / 2) }, (_, seed) => {
    const made = trivialJob('weights', `${name} ${seed} made`, []);
    const input = { role: 'checkpoint', position: 0, from: made.key, output: 'best' };
    const used = 2 * seed + 1 < jobs ? [trivialJob('predict', `${name} ${seed} used`, [input])] : [];
    return { seed, jobs: [made, ...used] };
  });
  const spec = experimentSpec.parse({
    ...{ specVersion: 1, name, data, stages, result: 'net' },
    // No more than a spec may have; the trials are named by the plan.
    seeds: trials.slice(0, 1000).map(({ seed }) => seed),
  });
  const plan = {
    specHash: createHash('sha256').update(name).digest('hex'),
    baseline: 'baseline',
    variants: [{ name: 'baseline', factors: {}, spec }],
    trials: trials.map(({ seed, jobs: [made, used] }) => ({
      ...{ variant: 'baseline', factors: {}, seed, fold: null },
      jobs: { net: made.key, ...(used && { 'net:held-out': used.key }) },
    })),
    jobs: trials.flatMap((trial) => trial.jobs),
    fixedStages: [],
    warnings: [],
  };
  return { project: 'default', spec, plan };
}

/** Submits so many jobs at once and waits until all have ended. @returns how it went, by the database's clock */
export async function runTrivial({ database }, jobs) {
  const experiment = trivialExperiment(jobs);
  const { id } = await new Experiments(database).create(experiment);
  const submittedAt = performance.timeOrigin + performance.now();
  const ended = `SELECT ended_at IS NOT NULL AS ended FROM experiment WHERE id = $1`;
  while (!(await database.pool.query(ended, [id])).rows[0].ended)
    await new Promise((next) => setTimeout(next, jobs > 1 ? 50 : 5));
  return { id, submittedAt, ...(await outcome(database, id, jobs)) };
}

/** What the database holds of an experiment that ran. @throws Error where a job was not done once, or not recorded */
async function outcome(database, id, jobs) {
  const { rows } = await database.pool.query(
    `SELECT count(*)::int AS jobs, count(*) FILTER (WHERE j.state = 'succeeded')::int AS succeeded,
       (SELECT count(*)::int FROM attempt a JOIN demand d ON d.job_id = a.job_id WHERE d.experiment_id = $1) AS attempts,
       (SELECT count(*)::int FROM job_output o JOIN demand d ON d.job_id = o.job_id WHERE d.experiment_id = $1) AS outputs,
       (SELECT count(*)::int FROM event e JOIN demand d ON d.job_id = e.job_id WHERE d.experiment_id = $1
          AND e.payload->>'type' = 'job.changed' AND e.payload->>'state' = 'succeeded') AS told,
       extract(epoch FROM max(j.ended_at) - min(j.created_at))::float8 AS seconds,
       extract(epoch FROM min(j.started_at) - min(j.created_at))::float8 * 1000 AS "firstAfter",
       min((j.result->>'beganAt')::float8) AS "beganAt"
     FROM demand d JOIN job j ON j.id = d.job_id WHERE d.experiment_id = $1`,
    [id],
  );
  const [found] = rows;
  for (const what of ['jobs', 'succeeded', 'attempts', 'outputs', 'told'])
    if (found[what] !== jobs) throw new Error(`expected ${jobs} ${what}, found ${found[what]}`);
  return found;
}
