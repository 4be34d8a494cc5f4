import type { JobItem, TrialComparison, TrialItem } from '@ferment/contracts';

type Json = TrialComparison['differences'][number]['values'][number];

/**
 * What differs between trials in what their jobs were asked to do.
 *
 * @param trials each trial with its jobs by role
 * @returns paths `<role>.<param>` whose values are not all equal, in order; null where a trial has no such path
 */
export function compareTrials(
  trials: readonly { trial: TrialItem; jobs: Readonly<Record<string, JobItem>> }[],
): TrialComparison {
  const leaves = trials.map(({ trial, jobs }) => {
    const flat = new Map<string, Json>([['seed', trial.seed]]);
    if (trial.fold !== null) flat.set('fold', trial.fold);
    for (const [role, job] of Object.entries(jobs)) flatten(role, job.params, flat);
    return flat;
  });
  const paths = [...new Set(leaves.flatMap((flat) => [...flat.keys()]))].sort();
  const differences = paths
    .map((path) => ({ path, values: leaves.map((flat) => flat.get(path) ?? null) }))
    .filter(({ values }) => new Set(values.map((value) => JSON.stringify(value))).size > 1);
  return { trials: trials.map(({ trial }) => trial), differences };
}

function flatten(path: string, value: Json, into: Map<string, Json>): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [key, item] of Object.entries(value)) flatten(`${path}.${key}`, item, into);
  } else {
    into.set(path, value);
  }
}
