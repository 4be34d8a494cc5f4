import type { Interval, SeedSummary, TableComparison, TableMetric } from '@ferment/contracts';

/** Metrics' names as readers know them. */
export const metricTitles: Readonly<Record<TableMetric, string>> = {
  'test.accuracy': 'test accuracy',
  'test.macroF1': 'test macro-F1',
  'test.nll': 'test NLL',
  'test.ece': 'test ECE',
  'validation.accuracy': 'validation accuracy',
  'validation.macroF1': 'validation macro-F1',
  'validation.nll': 'validation NLL',
  'validation.ece': 'validation ECE',
  'testDeduplicated.accuracy': 'deduplicated test accuracy',
  'testDeduplicated.macroF1': 'deduplicated test macro-F1',
};

/** Metrics whose deltas are printed for reading; CSV has all compared metrics. */
export const printedFamilies: readonly TableMetric[] = ['test.accuracy', 'test.macroF1'];

export const absent = '–';

export function fixed(value: number, digits = 4): string {
  const text = value.toFixed(digits);
  // -0.0000 reads as a difference; it is none at this precision.
  return Number(text) === 0 ? text.replace('-', '') : text;
}

export function signed(value: number, digits = 4): string {
  const text = fixed(value, digits);
  return Number(text) > 0 ? `+${text}` : text;
}

export function between({ low, high }: Interval, print: (value: number) => string = fixed): string {
  return `[${print(low)}, ${print(high)}]`;
}

/** Mean with its 95 % interval; one seed prints the value and "n = 1". */
export function summaryText(summary: SeedSummary): string {
  if (summary.mean === null) return absent;
  if (summary.interval === null) return `${fixed(summary.mean)} (n = 1)`;
  return `${fixed(summary.mean)} ${between(summary.interval)}`;
}

export function deltaText(comparison: TableComparison): string {
  if (comparison.mean === null) return absent;
  const value = signed(comparison.mean);
  if (comparison.n === 1) return `${value} (n = 1)`;
  return comparison.interval ? `${value} ${between(comparison.interval, (bound) => signed(bound))}` : value;
}

export function pText(p: number | null): string {
  if (p === null) return absent;
  return p < 0.001 ? '< .001' : p.toFixed(3).replace(/^0\./, '.');
}

/** Permutation p with the smallest value this n can give. */
export function permutationText(permutation: TableComparison['permutation']): string {
  if (!permutation) return absent;
  const drawn = permutation.exact ? '' : '≈';
  return `${drawn}${pText(permutation.p)} (floor ${floorText(permutation.floor)})`;
}

function floorText(floor: number): string {
  return floor >= 0.001
    ? Number(floor.toPrecision(3)).toString().replace(/^0\./, '.')
    : floor.toExponential(1);
}

export function verdict(comparison: TableComparison): string {
  return comparison.note ?? (comparison.conclusive ? 'differs' : '');
}

/** Name of a configuration, marked where it is the baseline. */
export function configurationName(configuration: { variant: string; baseline: boolean }): string {
  const marked = configuration.baseline && configuration.variant !== 'baseline';
  return marked ? `${configuration.variant} (baseline)` : configuration.variant;
}

/** "3", or "2 of 3" where seeds are missing. */
export function countText(n: number, planned: number): string {
  return n === planned ? String(n) : `${n} of ${planned}`;
}

export const comparisonTitles: Readonly<Record<TableComparison['kind'], string>> = {
  delta: 'variant minus baseline',
  'main-effect': 'main effect',
  interaction: 'interaction',
};
