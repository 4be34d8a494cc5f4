// The record of one quickstart: what ran, on what, how long, and what came out.
import { cpus, totalmem } from 'node:os';
import { versions } from './set-up.mjs';

const isTraining = ({ kind }) => ['train', 'distill', 'adversarial'].includes(kind);
const counted = (jobs, test) => jobs.filter(test).length;

/** Learning curve of a job: its rows, without the wall-clock time. */
async function curve(client, job) {
  const { rows } = await client.jobMetrics(job.id);
  return rows.map(({ step, epoch, values }) => ({ step, epoch, ...values }));
}

/** The whole metrics of an evaluation as its artifact has them (per-class F1 and confusion included). */
async function evaluation(client, jobs, trial) {
  const results = {};
  for (const [role, id] of Object.entries(trial.jobs)) {
    const match = /^evaluate:([^:]+)$/.exec(role);
    const reference = match && jobs.get(id)?.outputs.metrics;
    if (reference) results[match[1]] = await (await client.fetch(`artifacts/${reference.hash}`)).json();
  }
  return results;
}

/**
 * @returns versions, machine, seconds per phase, jobs planned / shared / cached / run, figures of every trial and
 *   stage, learning curves, the ablation table and the hashes of all artifacts
 */
export async function makeReport({ client, options, phases, dataset, preview, watched, table, files }) {
  const { experiment, trials, jobs } = watched;
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const trainings = jobs.filter(isTraining);
  const curves = [];
  for (const job of trainings)
    curves.push({
      job: job.id,
      kind: job.kind,
      stage: job.stage,
      key: job.key,
      seed: job.params.seed,
      model: job.params.model,
      cached: job.cached,
      attempts: job.attempts.length,
      seconds:
        job.startedAt && job.endedAt ? (Date.parse(job.endedAt) - Date.parse(job.startedAt)) / 1000 : null,
      rows: await curve(client, job),
    });
  const detailed = [];
  for (const trial of trials)
    detailed.push({
      id: trial.id,
      variant: trial.variant,
      factors: trial.factors,
      seed: trial.seed,
      state: trial.state,
      summary: trial.summary,
      evaluations: await evaluation(client, byId, trial),
      jobs: trial.jobs,
      downloads: trial.downloads,
    });
  const [cpu] = cpus();
  return {
    reportVersion: 1,
    createdAt: new Date().toISOString(),
    options: { data: options.data ? 'given' : 'synthetic', full: options.full, fresh: options.fresh },
    versions: await versions(),
    machine: {
      platform: `${process.platform}-${process.arch}`,
      cpu: cpu?.model ?? null,
      cores: cpus().length,
      memory: totalmem(),
    },
    seconds: phases,
    dataset,
    spec: experiment.spec,
    specHash: experiment.specHash,
    jobs: {
      planned: jobs.length,
      byKind: preview.jobs.byKind,
      withoutSharing: trials.reduce((sum, trial) => sum + Object.keys(trial.jobs).length, 0),
      shared: trials.reduce((sum, trial) => sum + Object.keys(trial.jobs).length, 0) - jobs.length,
      cached: counted(jobs, (job) => job.cached),
      run: counted(jobs, (job) => !job.cached && job.state === 'succeeded'),
    },
    trainings: {
      withoutSharing: experiment.trainings.withoutSharing,
      planned: experiment.trainings.planned,
      saved: experiment.trainings.withoutSharing - experiment.trainings.planned,
      cached: counted(trainings, (job) => job.cached),
      run: counted(trainings, (job) => !job.cached && job.state === 'succeeded'),
    },
    trials: detailed,
    learningCurves: curves,
    ablationTable: table,
    files,
    artifacts: jobs.flatMap((job) =>
      Object.entries(job.outputs).map(([role, { hash, bytes }]) => ({
        job: job.id,
        kind: job.kind,
        stage: job.stage,
        role,
        hash,
        bytes,
      })),
    ),
  };
}
