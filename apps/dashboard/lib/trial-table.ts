import { isBetter, type SelectMetric, type TrialItem } from '@ferment/contracts';

type Figure = 'accuracy' | 'macroF1' | 'nll' | 'ece';
type FigureKey = `${'validation' | 'test'}.${Figure}`;
export type ColumnKey = 'variant' | 'seed' | 'fold' | 'state' | FigureKey;

export interface Column {
  readonly key: ColumnKey;
  readonly title: string;
  readonly numeric: boolean;
  /** Sort order of the first and of the second press: the useful end first. */
  readonly first: string;
  readonly second: string;
}

const text = (key: ColumnKey, title: string, numeric = false): Column => ({
  key,
  title,
  numeric,
  first: key,
  second: `-${key}`,
});
const highest = (key: ColumnKey, title: string): Column => ({
  key,
  title,
  numeric: true,
  first: `-${key}`,
  second: key,
});

const named: readonly Column[] = [
  text('variant', 'Variant'),
  text('seed', 'Seed', true),
  text('fold', 'Fold', true),
  text('state', 'State'),
];

const figureColumns: readonly Column[] = [
  highest('validation.accuracy', 'Val. accuracy'),
  highest('validation.macroF1', 'Val. macro-F1'),
  highest('test.accuracy', 'Test accuracy'),
  highest('test.macroF1', 'Test macro-F1'),
  text('test.nll', 'Test NLL', true),
  text('test.ece', 'Test ECE', true),
];

const columns = [...named, ...figureColumns];

/** The columns that these trials fill: folds only where any has one. */
export function columnsOf(trials: readonly TrialItem[]): readonly Column[] {
  const folds = trials.some(({ fold }) => fold !== null);
  return columns.filter(({ key }) => key !== 'fold' || folds);
}

/** Data sets that any trial has figures on. */
export function datasetsOf(trials: readonly TrialItem[]): string[] {
  return [...new Set(trials.flatMap((trial) => Object.keys(trial.summary)))];
}

/** A figure of a trial on a data set; null while there is none. */
export function valueOf(trial: TrialItem, key: ColumnKey, dataset: string): number | null {
  const [split, name] = key.split('.');
  const figures = trial.summary[dataset]?.[split === 'validation' ? 'validation' : 'test'];
  if (!figures) return null;
  switch (name) {
    case 'accuracy':
    case 'macroF1':
    case 'nll':
    case 'ece':
      return figures[name];
    default:
      return null;
  }
}

/** The trial that is best by a validation metric, of equals the one with the lower seed; null while no trial has figures. */
export function bestTrial(
  trials: readonly TrialItem[],
  dataset: string,
  metric: SelectMetric,
): TrialItem | null {
  let best: { trial: TrialItem; value: number } | null = null;
  for (const trial of [...trials].sort((a, b) => a.seed - b.seed || (a.fold ?? 0) - (b.fold ?? 0))) {
    const value = valueOf(trial, metric, dataset);
    if (value !== null && (best === null || isBetter(metric, value, best.value))) best = { trial, value };
  }
  return best?.trial ?? null;
}

/** Sorted by a column's key, descending with a leading "-"; trials without the figure come last, ties by name, seed and fold. */
export function sortTrials(trials: readonly TrialItem[], sort: string, dataset: string): TrialItem[] {
  const descending = sort.startsWith('-');
  const key = descending ? sort.slice(1) : sort;
  const column = columns.find((one) => one.key === key)?.key ?? 'variant';
  const sign = descending ? -1 : 1;
  const byName = (a: TrialItem, b: TrialItem) =>
    a.variant < b.variant ? -1 : a.variant > b.variant ? 1 : a.seed - b.seed || (a.fold ?? 0) - (b.fold ?? 0);
  const compare = (a: TrialItem, b: TrialItem): number => {
    if (column === 'variant' || column === 'state') {
      return a[column] === b[column] ? byName(a, b) : sign * (a[column] < b[column] ? -1 : 1);
    }
    if (column === 'seed' || column === 'fold') {
      const difference = (a[column] ?? 0) - (b[column] ?? 0);
      return difference === 0 ? byName(a, b) : sign * difference;
    }
    const [left, right] = [valueOf(a, column, dataset), valueOf(b, column, dataset)];
    if (left === null || right === null) {
      return left === right ? byName(a, b) : left === null ? 1 : -1;
    }
    return left === right ? byName(a, b) : sign * (left - right);
  };
  return [...trials].sort(compare);
}
