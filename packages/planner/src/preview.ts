import {
  isTrainingKind,
  type AblationSpec,
  type ExperimentSpec,
  type Plan,
  type PlannedJob,
  type Preview,
} from '@ferment/contracts';
import { estimatedTime, type Speed } from './estimate.js';

export interface PreviewOptions {
  /** Keys of jobs that are finished already. */
  finishedKeys: Iterable<string>;
  /** By this installation's own past trainings; null or absent before any. */
  speed?: Speed | null;
  /** CPU threads that its workers compute with at once; 1 where it is left out. */
  slots?: number;
}

const alpha = 0.05;

const isTraining = (job: PlannedJob | undefined) => job !== undefined && isTrainingKind(job.kind);

const isOutOfFold = ({ params }: PlannedJob) =>
  Boolean((params as { data?: { outOfFold?: unknown } }).data?.outOfFold);

/** What a plan would do, told before anything runs. */
export function previewOf(plan: Plan, spec: ExperimentSpec, options: PreviewOptions): Preview {
  const finished = new Set(options.finishedKeys);
  const jobs = new Map(plan.jobs.map((job) => [job.key, job]));
  const byKind: Record<string, number> = {};
  for (const job of plan.jobs) byKind[job.kind] = (byKind[job.kind] ?? 0) + 1;

  const wanted = plan.trials.flatMap((trial) => Object.values(trial.jobs).map((key) => jobs.get(key)));
  const macsOf = (list: readonly (PlannedJob | undefined)[]) =>
    list.reduce((sum, job) => sum + (job?.cost?.macs ?? 0), 0);
  const left = plan.jobs.filter((job) => !finished.has(job.key));
  const macs = macsOf(left);
  const memory = left.flatMap(({ cost }) => cost?.memory ?? []);
  const trainings = plan.jobs.filter(isTraining);
  const comparisons = comparisonsOf(spec.ablation);
  const slots = Math.max(1, Math.min(options.slots ?? 1, spec.run.parallel ?? Infinity));
  return {
    spec,
    specHash: plan.specHash,
    variants: plan.variants.map(({ name, factors }) => ({ name, factors })),
    seeds: spec.seeds,
    trials: plan.trials.length,
    jobs: {
      total: plan.jobs.length,
      byKind,
      cached: plan.jobs.filter((job) => finished.has(job.key)).length,
    },
    trainings: {
      withoutSharing: wanted.filter(isTraining).length,
      planned: trainings.length,
      outOfFold: trainings.filter(isOutOfFold).length,
      cached: trainings.filter((job) => finished.has(job.key)).length,
    },
    compute: {
      macs,
      macsWithoutSharing: macsOf(wanted),
      estimatedSeconds: options.speed
        ? estimatedTime(plan, new Set(left.map(({ key }) => key)), options.speed, slots)
        : null,
      peakMemory: memory.length === 0 ? null : Math.max(...memory),
    },
    comparisons,
    seedsNeeded: comparisons === 0 ? null : seedsNeeded(comparisons, spec.seeds.length),
    warnings: plan.warnings,
  };
}

/** Comparisons that a table of this design makes: deltas, or main effects and two-way interactions. */
export function comparisonsOf(ablation: AblationSpec | null): number {
  if (ablation === null) return 0;
  if (ablation.design === 'list') return ablation.variants.length;
  const levels = Object.values(ablation.factors).map((factor) => Object.keys(factor).length);
  const main = levels.reduce((sum, count) => sum + count, 0);
  if (ablation.design === 'one-at-a-time') return main;
  // Pairs of levels of different factors: half of the square of the sum less the sum of the squares.
  return main + (main * main - levels.reduce((sum, count) => sum + count * count, 0)) / 2;
}

/** The smallest n at which an exact sign-flip permutation test of n pairs, whose p is at least 2/2^n, reaches alpha/m. */
function seedsNeeded(comparisons: number, seeds: number): Preview['seedsNeeded'] {
  let permutation = 1;
  while (2 / 2 ** permutation > alpha / comparisons) permutation += 1;
  const floor = 2 / 2 ** seeds;
  const note =
    `${comparisons} ${comparisons === 1 ? 'comparison' : 'comparisons'} at level ${alpha}. ` +
    `The sign-flip permutation test needs ${permutation} seeds to be able to reach that at all ` +
    `(with ${seeds} its p is at least ${Number(floor.toPrecision(3))})`;
  return { permutation, note };
}
