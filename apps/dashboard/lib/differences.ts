import type { TrialItem } from '@ferment/contracts';
import type { DifferenceRow } from './compared';

export interface Setting extends DifferenceRow {
  /** The end of the path, of two parts at least, that no other row of its group has. */
  readonly short: string;
}

export interface SettingGroup {
  /** The stage, or what an evaluation or export is called. */
  readonly name: string;
  readonly settings: readonly Setting[];
  /** Trials that have no such job, in their order. */
  readonly without: readonly boolean[];
}

export interface DifferenceTable {
  /** Trials by their places; those of one column are alike in all but seed and fold. */
  readonly columns: readonly (readonly number[])[];
  /** Factors that the specs name. */
  readonly factors: readonly DifferenceRow[];
  /** All other settings; evaluations and exports come last. */
  readonly groups: readonly SettingGroup[];
}

type Compared = Pick<TrialItem, 'factors' | 'seed' | 'fold' | 'jobs'>;

const text = (value: unknown): string => JSON.stringify(value ?? null);
const differs = ({ values }: DifferenceRow): boolean => new Set(values.map(text)).size > 1;

/** A seed or fold of a job that is the trial's own: each column's head says it. */
export const isDraw =
  (trials: readonly Pick<TrialItem, 'seed' | 'fold'>[]) =>
  ({ path, values }: DifferenceRow): boolean => {
    const name = path.split('.').at(-1);
    if (name !== 'seed' && name !== 'fold') return false;
    return values.every((value, trial) => (value ?? null) === null || value === trials[trial]?.[name]);
  };

/** What differs, as people look for it: what the specs vary by name, then the settings of each stage. */
export function differenceTable(
  trials: readonly Compared[],
  differences: readonly DifferenceRow[],
): DifferenceTable {
  const names = [...new Set(trials.flatMap(({ factors }) => Object.keys(factors)))];
  const factors = names
    .map((path) => ({ path, values: trials.map((trial) => trial.factors[path] ?? null) }))
    .filter(differs);
  const draws = isDraw(trials);
  const settings = differences.filter((row) => !draws(row));
  const columns = new Map<string, number[]>();
  trials.forEach((_, trial) => {
    const key = [...factors, ...settings].map(({ values }) => text(values[trial])).join('\n');
    columns.set(key, [...(columns.get(key) ?? []), trial]);
  });
  const roles = new Map<string, DifferenceRow[]>();
  for (const row of settings) {
    const [role = ''] = row.path.split('.');
    roles.set(role, [...(roles.get(role) ?? []), row]);
  }
  const groups = [...roles].map(([name, rows]) => ({
    name,
    settings: shortened(rows),
    without: trials.map(({ jobs }) => jobs[name] === undefined),
  }));
  const late = ({ name }: SettingGroup) => (isStage(name) ? 0 : 1);
  return { columns: [...columns.values()], factors, groups: groups.sort((a, b) => late(a) - late(b)) };
}

/** Whether a group is of a stage, in place of an evaluation or an export. */
export const isStage = (group: string): boolean => !/^(evaluate|export)\b/.test(group);

function shortened(rows: readonly DifferenceRow[]): Setting[] {
  const parts = rows.map(({ path }) => path.split('.').slice(1));
  const end = (row: number, length: number) => (parts[row] ?? []).slice(-length).join('.');
  return rows.map((row, index) => {
    const all = parts[index]?.length ?? 0;
    let length = 2;
    while (
      length < all &&
      parts.some((_, other) => other !== index && end(other, length) === end(index, length))
    )
      length += 1;
    return { ...row, short: end(index, length) || row.path };
  });
}
