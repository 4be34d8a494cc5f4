import { drawName, type ExperimentDetail, type TrialItem } from '@ferment/contracts';

export const mostCompared = 20;

/** Ids in an address, as far as they are ids, each once. */
export function comparedIds(text: string): string[] {
  const ids = text.split(',').filter((id) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id));
  return [...new Set(ids)].slice(0, mostCompared);
}

export function compareAddress(ids: readonly string[]): string {
  return `/compare/?trials=${ids.slice(0, mostCompared).join(',')}`;
}

/** What a trial is called among others: its experiment's name only where they are of several. */
export function trialLabels(
  trials: readonly TrialItem[],
  experiments: ReadonlyMap<string, Pick<ExperimentDetail, 'name'>>,
): string[] {
  const several = new Set(trials.map(({ experimentId }) => experimentId)).size > 1;
  const plain = trials.map((trial) => {
    const own = `${trial.variant}, ${drawName(trial)}`;
    const name = experiments.get(trial.experimentId)?.name;
    return several && name !== undefined ? `${name}: ${own}` : own;
  });
  // The same variant of two submissions of one spec.
  return plain.map((label, index) => {
    const alike = plain.filter((other) => other === label).length > 1;
    return alike ? `${label} (${trials[index]?.experimentId.slice(0, 8)})` : label;
  });
}

/** A value of a parameter in a few words. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return '–';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export interface DifferenceRow {
  readonly path: string;
  /** In the order of the trials. */
  readonly values: readonly unknown[];
}

const isAbsent = (value: unknown): boolean => value === null || value === undefined;
const sameText = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/**
 * Differences as the axes of a figure: of a stage that some trials do not have, and that is the same in all that have
 * it, one row says so in place of one for each of its settings.
 */
export function condensed(differences: readonly DifferenceRow[]): DifferenceRow[] {
  const stages = new Map<string, DifferenceRow[]>();
  for (const row of differences) {
    const [stage = ''] = row.path.split('.');
    stages.set(stage, [...(stages.get(stage) ?? []), row]);
  }
  return [...stages].flatMap(([stage, rows]) => {
    const trials = rows[0]?.values ?? [];
    const without = trials.map((_, trial) => rows.every(({ values }) => isAbsent(values[trial])));
    if (rows.length < 2 || !without.includes(true)) return rows;
    const differing = rows.filter(({ values }) => {
      const present = values.filter((_, trial) => without[trial] !== true);
      return present.some((value) => !sameText(value, present[0]));
    });
    const presence = {
      path: stage,
      values: without.map((absent) => (absent ? 'none' : 'there')),
    };
    return [presence, ...differing];
  });
}
