import { z } from 'zod';
import { angleChoices } from './data.js';
import { emotions } from './emotions.js';
import { attackNames, corruptionKinds, sanityChecks, severities } from './robustness.js';
import { identifier, seed } from './scalars.js';
import { ablationTable, missingResult, seedSummary, tableComparison, tablePlace } from './table.js';

/** What a column of a robustness table is about; all but the last group are fractions. */
export const robustnessColumnKinds = [
  'clean',
  'clean-attacked',
  'attack',
  'worst-case',
  'corruption-accuracy',
  'corruption-error',
  'ece',
  'macro-f1',
  'parameters',
  'macs',
  'latency-median',
  'latency-p95',
] as const;
export type RobustnessColumnKind = (typeof robustnessColumnKinds)[number];

/**
 * A column: figures stand in one only where they are of the same attack with the same steps, of the union over the same
 * attacks, or of the same corruptions.
 */
export const robustnessColumn = z.object({
  key: z.string(),
  kind: z.enum(robustnessColumnKinds),
  title: z.string(),
  /** Radius in units of the pixel range; null for what is not under attack. */
  epsilon: z.number().nullable(),
  attack: z
    .object({ attack: z.enum(attackNames), steps: z.int(), restarts: z.int(), stepSize: z.number() })
    .nullable(),
  /** Keys of the attacks of a worst case; empty otherwise. */
  over: z.array(z.string()),
  unit: z.enum(['fraction', 'count', 'ms']),
  /** Measured on a machine's clock: differs from run to run, and nothing else in the table depends on it. */
  measured: z.boolean(),
});
export type RobustnessColumn = z.output<typeof robustnessColumn>;

/** Mean and 95 % t-interval over `seeds`, whose figures are `values`. */
export const robustnessCell = seedSummary.extend({ seeds: z.array(seed), values: z.array(z.number()) });
export type RobustnessCell = z.output<typeof robustnessCell>;

export const failedSanityCheck = z.object({
  variant: identifier,
  check: z.enum(sanityChecks),
  failures: z.array(z.object({ seed, detail: z.string() })),
});
export type FailedSanityCheck = z.output<typeof failedSanityCheck>;

export const robustnessConfiguration = z.object({
  variant: identifier,
  factors: z.record(z.string(), z.string()),
  baseline: z.boolean(),
  /** Seeds with figures here, in order. */
  seeds: z.array(seed),
  planned: z.int(),
  /** Data sets that trained the results, each once; empty where it is not known. */
  trainedOn: z.array(z.string()),
  /** By the key of the column; a configuration that has no figure in a column has no cell there. */
  cells: z.record(z.string(), robustnessCell),
  /** Accuracy of each class (order of `emotions`) by column key: clean on the attacked images, and each attack. */
  perClass: z.record(z.string(), z.array(seedSummary).length(emotions.length)),
  /** Sanity checks that ran, over all seeds, and those that failed. */
  checks: z.int(),
  failedChecks: z.array(failedSanityCheck),
});
export type RobustnessConfiguration = z.output<typeof robustnessConfiguration>;

/** Differences in one column: all planned contrasts, adjusted together. */
export const robustnessFamily = z.object({
  column: z.string(),
  m: z.int(),
  comparisons: z.array(tableComparison),
});
export type RobustnessFamily = z.output<typeof robustnessFamily>;

/** Everything on one set of attacked images. */
export const robustnessSection = z.object({
  dataset: z.string(),
  datasetVersion: z.string(),
  protocol: z.string(),
  /** Under `subject-folds`: which pictures. */
  angles: z.enum(angleChoices).exactOptional(),
  synthetic: z.boolean(),
  trainedOn: z.array(z.string()),
  /** Trained on another data set than it is tested on. */
  acrossDatasets: z.boolean(),
  /** The pictures were aligned before they were stored: the attack comes after. */
  attackAfterPreprocessing: z.boolean(),
  images: z.object({ test: z.int(), attacked: z.int() }),
  /** SHA-256 of which images were attacked. */
  imagesHash: z.string(),
  /** Share of the most frequent class; of the whole test split where it is not known for the attacked images. */
  majority: z
    .object({ class: z.enum(emotions), accuracy: z.number(), of: z.enum(['attacked', 'test']) })
    .nullable(),
  corruptions: z.array(
    z.object({ kind: z.enum(corruptionKinds), severities: z.array(z.literal([...severities])) }),
  ),
  columns: z.array(robustnessColumn),
  configurations: z.array(robustnessConfiguration),
  families: z.array(robustnessFamily),
  missing: z.array(missingResult),
  /** A sanity check failed: the figures may overstate robustness. */
  suspect: z.boolean(),
  /** Configurations with figures of fewer than three seeds. */
  fewSeeds: z.array(identifier),
  unequalN: z.boolean(),
});
export type RobustnessSection = z.output<typeof robustnessSection>;

/** How the results of an experiment hold out against attacks and corruptions, and what they cost. */
export const robustnessTable = z.object({
  ...ablationTable.pick({
    experiment: true,
    specHash: true,
    design: true,
    baseline: true,
    seeds: true,
    alpha: true,
    power: true,
    incomplete: true,
    fixedStages: true,
    trials: true,
  }).shape,
  suspect: z.boolean(),
  header: z.array(z.string()),
  sections: z.array(robustnessSection),
});
export type RobustnessTable = z.output<typeof robustnessTable>;

/** The tables that a section of a robustness table is printed as. */
export const robustnessParts = ['attacks', 'clean', 'cost', 'differences'] as const;

/** Part of a robustness table, for one place in a paper; `epsilon` keeps the attacks at one radius, as `8/255` or `0.03`. */
export const robustnessPart = tablePlace.extend({
  part: z.enum(robustnessParts).optional(),
  epsilon: z
    .string()
    .transform((text) => {
      const [over = '', under = '1'] = text.split('/');
      return over.trim() === '' ? Number.NaN : Number(over) / Number(under);
    })
    .pipe(z.number('expected a radius such as 8/255 or 0.03').min(0).max(1))
    .optional(),
});
export type RobustnessPart = z.output<typeof robustnessPart>;

/** What an `ablation` job writes as its `table` output; `robustness` is null where nothing was attacked or corrupted. */
export const experimentTables = ablationTable.extend({ robustness: robustnessTable.nullable() });
export type ExperimentTables = z.output<typeof experimentTables>;
