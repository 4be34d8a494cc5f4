import {
  comparedMetrics,
  type MissingResult,
  type TableComparison,
  type TableFamily,
} from '@ferment/contracts';
import { bonferroni, holm } from './adjust.js';
import { metricOf, type Cell } from './cells.js';
import type { Contrast } from './contrasts.js';
import type { SeedResult } from './folds.js';
import { pairedT, signFlipPermutation } from './paired.js';
import { seedsForPermutation, seedsForPower } from './power.js';
import { summarise } from './summary.js';

export interface Levels {
  readonly alpha: number;
  readonly power: number;
}

/** Reads the compared figure of an evaluation; null where it has none. */
export type Reader = (result: SeedResult) => number | null;

/** One family for each compared metric: all planned contrasts, adjusted together. */
export function families(
  plan: readonly Contrast[],
  cells: readonly Cell[],
  seeds: readonly number[],
  levels: Levels,
): TableFamily[] {
  if (plan.length === 0) return [];
  return comparedMetrics.map((metric) => ({
    metric,
    m: plan.length,
    comparisons: comparisonsOf(plan, cells, seeds, (result) => metricOf(result, metric), levels),
  }));
}

/** The comparisons of one family, adjusted together. */
export function comparisonsOf(
  plan: readonly Contrast[],
  trials: readonly Cell[],
  seeds: readonly number[],
  read: Reader,
  levels: Levels,
): TableComparison[] {
  const cells = new Map(trials.map((cell) => [placeOf(cell.trial.variant, cell.trial.seed), cell]));
  const comparisons = plan.map((contrast) => compare(contrast, read, cells, seeds, plan.length, levels));
  const adjusted = holm(
    comparisons.map((comparison) => comparison.p),
    plan.length,
  );
  return comparisons.map((comparison, index) => ({ ...comparison, pHolm: adjusted[index] ?? null }));
}

function compare(
  contrast: Contrast,
  read: Reader,
  cells: ReadonlyMap<string, Cell>,
  seeds: readonly number[],
  m: number,
  { alpha, power }: Levels,
): TableComparison {
  const { pairs, missing } = perSeed(contrast, read, cells, seeds);
  const differences = pairs.map((pair) => pair.difference);
  const summary = summarise(differences);
  const test = pairedT(differences, m, alpha);
  const pBonferroni = test ? bonferroni(test.p, m) : null;
  const conclusive = pBonferroni !== null && pBonferroni < alpha;
  const needed = test && !conclusive ? seedsForPower(test.mean / test.sd, alpha / m, power) : null;
  const permutation = signFlipPermutation(differences);
  return {
    kind: contrast.kind,
    name: contrast.name,
    weights: { ...contrast.weights },
    seeds: pairs.map((pair) => pair.seed),
    differences,
    n: differences.length,
    mean: summary.mean,
    sd: summary.sd,
    interval: test?.interval ?? null,
    t: test?.t ?? null,
    p: test?.p ?? null,
    pBonferroni,
    pHolm: null,
    permutation: differences.length < 2 ? null : permutation,
    conclusive,
    moreSeeds: needed === null ? null : Math.max(1, needed - differences.length),
    note: note(differences, summary, {
      conclusive,
      needed,
      floor: permutation?.floor ?? 1,
      level: alpha / m,
    }),
    missing,
  };
}

interface NoteContext {
  conclusive: boolean;
  /** Seeds for power .8 at the difference seen; null where conclusive or out of reach. */
  needed: number | null;
  /** The smallest p that the sign-flip test can give, and the one that it would have to reach. */
  floor: number;
  level: number;
}

/** What stands in place of "differs"; null where nothing has to be added to that. */
function note(
  differences: readonly number[],
  { mean, sd }: { mean: number | null; sd: number | null },
  { conclusive, needed, floor, level }: NoteContext,
): string | null {
  const n = differences.length;
  if (n === 0) return 'no seed has every trial of this comparison';
  if (n === 1) return 'n = 1: no test and no interval';
  if (sd === 0) return 'the differences do not vary over seeds: t is not defined';
  if (conclusive)
    return floor > level
      ? `differs by paired t alone; sign flip cannot tell below n = ${seedsForPermutation(1, level)}`
      : null;
  if (needed === null) return 'inconclusive; a difference of this size is out of reach of more seeds';
  const more = Math.max(1, needed - n);
  const size = Math.abs(mean ?? NaN) / (sd ?? NaN);
  const seeds = more === 1 ? 'seed' : 'seeds';
  return `inconclusive; ${more} more ${seeds} for power .8 at a difference of this size (${size.toPrecision(2)} standard deviations)`;
}

const notPlanned = (variant: string, seed: number): MissingResult => ({
  variant,
  seed,
  state: 'unfinished',
  reason: 'this seed was not planned for it',
});

const notCompared = ({ trial: { variant, seed } }: Cell): MissingResult => ({
  variant,
  seed,
  state: 'elsewhere',
  reason: 'has no such figure: never paired here',
});

const placeOf = (variant: string, seed: number) => `${variant}/${seed}`;

/** The contrast's value for every seed that has all its trials, and what the other seeds lack. */
function perSeed(
  contrast: Contrast,
  read: Reader,
  cells: ReadonlyMap<string, Cell>,
  seeds: readonly number[],
): { pairs: { seed: number; difference: number }[]; missing: MissingResult[] } {
  const pairs: { seed: number; difference: number }[] = [];
  const missing: MissingResult[] = [];
  const weights = Object.entries(contrast.weights);
  for (const seed of seeds) {
    let difference = 0;
    let complete = true;
    for (const [variant, weight] of weights) {
      const cell = cells.get(placeOf(variant, seed));
      const value = cell?.result ? read(cell.result) : null;
      if (value !== null) {
        difference += weight * value;
      } else {
        complete = false;
        missing.push(cell ? (cell.missing ?? notCompared(cell)) : notPlanned(variant, seed));
      }
    }
    if (complete) pairs.push({ seed, difference });
  }
  return { pairs, missing };
}
