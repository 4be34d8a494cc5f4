import { drawName, isTrainingKind, type JobItem, type TrialItem } from '@ferment/contracts';

/** A training on the page: its job and the trials that share it. */
export interface Training {
  readonly jobId: string;
  readonly group: string;
  readonly label: string;
}

export const groupings = ['variant', 'seed'] as const;
const foldGrouping = 'fold';

/** Stages that have trainings, in the order in which the trials name them. */
export function trainedStages(trials: readonly TrialItem[], jobs: readonly JobItem[]): string[] {
  const training = new Set(jobs.filter(({ kind }) => isTrainingKind(kind)).map(({ id }) => id));
  const roles = trials.flatMap((trial) => Object.entries(trial.jobs));
  return [...new Set(roles.filter(([, jobId]) => training.has(jobId)).map(([role]) => role))];
}

/** Ways to group trials: by variant, by seed, by fold where there are folds, and by each factor of the ablation. */
export function groupingsOf(trials: readonly TrialItem[]): string[] {
  const factors = new Set(trials.flatMap((trial) => Object.keys(trial.factors)));
  const folds = trials.some(({ fold }) => fold !== null) ? [foldGrouping] : [];
  return [...groupings, ...folds, ...[...factors].map((factor) => `factor:${factor}`)];
}

export function groupingTitle(grouping: string): string {
  return grouping.startsWith('factor:') ? grouping.slice('factor:'.length) : grouping;
}

function groupOf(trial: TrialItem, grouping: string): string {
  if (grouping === 'seed') return `seed ${trial.seed}`;
  if (grouping === foldGrouping) return trial.fold === null ? 'no fold' : `fold ${trial.fold}`;
  if (grouping.startsWith('factor:')) return trial.factors[groupingTitle(grouping)] ?? 'as written';
  return trial.variant;
}

/**
 * The trainings of one stage. A job that several trials share is one training: in their group where they have one,
 * else in a group of its own that says so.
 */
export function trainingsOf(trials: readonly TrialItem[], stage: string, grouping: string): Training[] {
  const sharers = new Map<string, TrialItem[]>();
  for (const trial of trials) {
    const jobId = trial.jobs[stage];
    if (jobId !== undefined) sharers.set(jobId, [...(sharers.get(jobId) ?? []), trial]);
  }
  return [...sharers].map(([jobId, members]) => {
    const groups = [...new Set(members.map((trial) => groupOf(trial, grouping)))];
    const draws = [...new Set(members.map(drawName))];
    const folds = [...new Set(members.map(({ fold }) => fold))];
    const oneDraw = folds.length === 1 && folds[0] !== null ? `one draw, fold ${folds[0]}` : 'one draw';
    return {
      jobId,
      group: groups.length === 1 ? (groups[0] ?? '') : 'shared',
      label: draws.length === 1 ? (draws[0] ?? '') : oneDraw,
    };
  });
}
