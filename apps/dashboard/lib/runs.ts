import { isTrainingKind, type JobItem, type TrialItem } from '@ferment/contracts';

/** A training on the page: its job and the trials that share it. */
export interface Training {
  readonly jobId: string;
  readonly group: string;
  readonly label: string;
}

export const groupings = ['variant', 'seed'] as const;

/** Stages that have trainings, in the order in which the trials name them. */
export function trainedStages(trials: readonly TrialItem[], jobs: readonly JobItem[]): string[] {
  const training = new Set(jobs.filter(({ kind }) => isTrainingKind(kind)).map(({ id }) => id));
  const roles = trials.flatMap((trial) => Object.entries(trial.jobs));
  return [...new Set(roles.filter(([, jobId]) => training.has(jobId)).map(([role]) => role))];
}

/** Ways to group trials: by variant, by seed, and by each factor of the ablation. */
export function groupingsOf(trials: readonly TrialItem[]): string[] {
  const factors = new Set(trials.flatMap((trial) => Object.keys(trial.factors)));
  return [...groupings, ...[...factors].map((factor) => `factor:${factor}`)];
}

export function groupingTitle(grouping: string): string {
  return grouping.startsWith('factor:') ? grouping.slice('factor:'.length) : grouping;
}

function groupOf(trial: TrialItem, grouping: string): string {
  if (grouping === 'seed') return `seed ${trial.seed}`;
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
    const seeds = [...new Set(members.map((trial) => trial.seed))];
    return {
      jobId,
      group: groups.length === 1 ? (groups[0] ?? '') : 'shared',
      label: seeds.length === 1 ? `seed ${seeds[0]}` : 'one draw',
    };
  });
}
