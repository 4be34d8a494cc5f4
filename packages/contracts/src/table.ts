import { z } from 'zod';
import { angleChoices } from './data.js';
import { identifier, seed } from './scalars.js';

/**
 * What a table measures: one split's summary figures. Fractions; `nll` in nats. `testDeduplicated` is the test split
 * with only the first of exactly equal pictures.
 */
export const tableMetrics = [
  'test.accuracy',
  'test.macroF1',
  'test.nll',
  'test.ece',
  'validation.accuracy',
  'validation.macroF1',
  'validation.nll',
  'validation.ece',
  'testDeduplicated.accuracy',
  'testDeduplicated.macroF1',
] as const;
export const tableMetric = z.enum(tableMetrics);
export type TableMetric = (typeof tableMetrics)[number];

/** Metrics whose differences are tested. Each is a family of its own: its m comparisons share one Bonferroni level. */
export const comparedMetrics = ['test.accuracy', 'test.macroF1', 'test.nll', 'test.ece'] as const;
export type ComparedMetric = (typeof comparedMetrics)[number];

export const interval = z.object({ low: z.number(), high: z.number() });
export type Interval = z.output<typeof interval>;

/** Why one (variant, seed) has no figure in a section. */
export const missingResult = z.object({
  variant: identifier,
  seed,
  state: z.enum(['stopped', 'failed', 'cancelled', 'unfinished', 'elsewhere']),
  reason: z.string(),
});
export type MissingResult = z.output<typeof missingResult>;

/** Mean over seeds, of means over folds where there are folds; `sd` (n - 1 in the denominator) and the 95 % t-interval are null for n < 2. */
export const seedSummary = z.object({
  n: z.int().min(0),
  mean: z.number().nullable(),
  sd: z.number().nullable(),
  interval: interval.nullable(),
});
export type SeedSummary = z.output<typeof seedSummary>;

export const tableConfiguration = z.object({
  variant: identifier,
  factors: z.record(z.string(), z.string()),
  baseline: z.boolean(),
  /** Seeds with a figure, in order; `values` of a metric follow it. */
  seeds: z.array(seed),
  planned: z.int(),
  /** Optimizer steps that trained the results, each number once: one, unless its own seeds differ; none without results. */
  updates: z.array(z.int()),
  metrics: z.record(tableMetric, seedSummary.extend({ values: z.array(z.number()) })),
});
export type TableConfiguration = z.output<typeof tableConfiguration>;

/**
 * One contrast, computed per seed and tested over seeds. For a delta: variant minus baseline. For a main effect:
 * level minus the baseline's level, averaged over the other factors. For an interaction: difference of differences.
 */
export const tableComparison = z.object({
  kind: z.enum(['delta', 'main-effect', 'interaction']),
  name: z.string(),
  /** Weight of each variant in the contrast; zero weights left out. */
  weights: z.record(identifier, z.number()),
  seeds: z.array(seed),
  differences: z.array(z.number()),
  n: z.int(),
  mean: z.number().nullable(),
  sd: z.number().nullable(),
  /** Simultaneous over the family's m comparisons (Bonferroni); excludes 0 exactly when `pBonferroni` < alpha. */
  interval: interval.nullable(),
  t: z.number().nullable(),
  p: z.number().nullable(),
  pBonferroni: z.number().nullable(),
  pHolm: z.number().nullable(),
  permutation: z
    .object({
      p: z.number(),
      /** The smallest p this n can give: 2 / 2^n. */
      floor: z.number(),
      exact: z.boolean(),
      resamples: z.int().nullable(),
    })
    .nullable(),
  conclusive: z.boolean(),
  /** Further seeds for power .8 at this mean and sd (paired t, level alpha / m); null where it cannot be said. */
  moreSeeds: z.int().nullable(),
  /** How it reads; null where it plainly differs. */
  note: z.string().nullable(),
  missing: z.array(missingResult),
});
export type TableComparison = z.output<typeof tableComparison>;

export const tableFamily = z.object({
  metric: z.enum(comparedMetrics),
  /** Comparisons the design plans, whether or not they could be computed yet: the m of Bonferroni and Holm. */
  m: z.int(),
  comparisons: z.array(tableComparison),
});
export type TableFamily = z.output<typeof tableFamily>;

/** Everything on one test set. Trials on different test sets are never paired. */
export const tableSection = z.object({
  dataset: z.string(),
  datasetVersion: z.string(),
  protocol: z.string(),
  /** Under `subject-folds`: which pictures. */
  angles: z.enum(angleChoices).exactOptional(),
  /** Over folds: of all folds together. Validation is null where the data are only tested on. */
  images: z.object({ validation: z.int().nullable(), test: z.int(), testDeduplicated: z.int() }),
  /** Training images of the protocol (of all folds) that left because an exact copy stands in validation or test. */
  leakRemoved: z.int(),
  /** Generated data: the figures are no benchmark result. */
  synthetic: z.boolean(),
  configurations: z.array(tableConfiguration),
  families: z.array(tableFamily),
  missing: z.array(missingResult),
  /** Configurations do not all have the same number of seeds. */
  unequalN: z.boolean(),
  /** Results were not all trained for the same number of optimizer steps. */
  unequalUpdates: z.boolean(),
});
export type TableSection = z.output<typeof tableSection>;

/** The ablation table: with the robustness table beside it, what an `ablation` job writes as its `table` output. */
export const ablationTable = z.object({
  tableVersion: z.literal(3),
  experiment: z.string(),
  specHash: z.string(),
  design: z.enum(['one-at-a-time', 'full-factorial', 'list', 'none']),
  baseline: identifier,
  seeds: z.array(seed),
  alpha: z.number(),
  power: z.number(),
  /** Trials that have not ended: figures can still change. */
  incomplete: z.boolean(),
  fixedStages: z.array(identifier),
  selectMetric: z.string(),
  /** The header's sentences, ready to print. */
  header: z.array(z.string()),
  trials: z.array(
    z.object({
      variant: identifier,
      seed,
      fold: z.int().nullable().default(null),
      state: z.enum(['succeeded', 'stopped', 'failed', 'cancelled', 'unfinished']),
      reason: z.string().nullable(),
    }),
  ),
  sections: z.array(tableSection),
});
export type AblationTable = z.output<typeof ablationTable>;

/** Splits whose figures an ablation table has, in its order. */
export const tableSplits = ['test', 'testDeduplicated', 'validation'] as const;
export type TableSplit = (typeof tableSplits)[number];

/** Which sections of a table: those on one data set, of one version of it (or the start of one), under some angles. */
export const tablePlace = z.object({
  dataset: z.string().min(1).max(200).optional(),
  version: z
    .string()
    .regex(/^[0-9a-f]{4,64}$/, 'expected the start of a version, at least four hexadecimal digits')
    .optional(),
  angles: z.enum(angleChoices).optional(),
});
export type TablePlace = z.output<typeof tablePlace>;

/**
 * Part of an ablation table, for one place in a paper: the figures of one split, the differences in one metric, or both
 * where both are named; without either, all of the sections named.
 */
export const ablationPart = tablePlace.extend({
  split: z.enum(tableSplits).optional(),
  metric: z.enum(comparedMetrics).optional(),
});
export type AblationPart = z.output<typeof ablationPart>;

export const tableFormats = ['text', 'csv', 'markdown', 'latex'] as const;
export type TableFormat = (typeof tableFormats)[number];

/** How many seeds a table of m comparisons needs, said before anything runs. */
export const seedAdvice = z.object({
  comparisons: z.int(),
  alpha: z.number(),
  power: z.number(),
  /** Smallest n whose permutation floor 2 / 2^n does not exceed alpha / m. */
  permutation: z.int(),
  /** Smallest n with the stated power in a paired t at level alpha / m, by true mean / sd of the differences. */
  pairedT: z.array(z.object({ effectSize: z.number(), seeds: z.int() })),
});
export type SeedAdvice = z.output<typeof seedAdvice>;
