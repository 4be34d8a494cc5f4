import { z } from 'zod';
import { numeric, positive, seed } from './scalars.js';

/** What a search or an early stop may go by, measured on validation, and whether higher is better. */
export const objectives = {
  'validation.macroF1': { figure: 'macroF1', higherIsBetter: true },
  'validation.accuracy': { figure: 'accuracy', higherIsBetter: true },
  'validation.nll': { figure: 'nll', higherIsBetter: false },
  'validation.ece': { figure: 'ece', higherIsBetter: false },
} as const;
export type Objective = keyof typeof objectives;
const objective = z.enum(Object.keys(objectives) as [Objective, ...Objective[]]);

/** Whether a value of an objective is strictly better than another. */
export function isBetter(metric: Objective, value: number, than: number): boolean {
  return objectives[metric].higherIsBetter ? value > than : value < than;
}

const mostConfigurations = 20_000;

/** The values that one path of the spec may have. */
export const searchParameter = z.discriminatedUnion('kind', [
  /** One of these, whatever they are; null takes the key away, so that its default holds. */
  z.strictObject({ kind: z.literal('choice'), values: z.array(z.json()).min(1).max(1000) }),
  /** Between `low` and `high`; with `step` only low, low + step, …, at most `high`. */
  z.strictObject({ kind: z.literal('uniform'), low: numeric, high: numeric, step: positive.optional() }),
  /** Its logarithm is uniform. */
  z.strictObject({ kind: z.literal('loguniform'), low: positive, high: positive }),
  z.strictObject({
    kind: z.literal('int'),
    low: z.int(),
    high: z.int(),
    step: z.int().min(1).default(1),
  }),
]);
export type SearchParameter = z.output<typeof searchParameter>;

/** Paths of the spec, each with what may stand there. */
export const searchSpace = z
  .record(z.string().min(1).max(300), searchParameter)
  .refine((space) => Object.keys(space).length > 0, { message: 'expected at least one path' });
export type SearchSpace = z.output<typeof searchSpace>;

export const samplers = ['grid', 'random', 'tpe'] as const;
export type Sampler = (typeof samplers)[number];

/**
 * A search for the configuration with the best validation figure: `grid` runs every combination, `random` draws each
 * value by itself (Bergstra & Bengio, JMLR 2012), `tpe` draws where earlier results were good (Bergstra et al., NeurIPS
 * 2011). No configuration is run twice; a search ends before `trials` where its space has no more.
 */
export const searchSpec = z.strictObject({
  space: searchSpace,
  sampler: z.enum(samplers).default('tpe'),
  /** Configurations, each run with every seed (and fold) of the experiment; of a grid all where it is left out. */
  trials: z.int().min(1).max(mostConfigurations).optional(),
  /** What is optimised: the mean over seeds and folds; `select.metric` where it is left out. */
  metric: objective.optional(),
  /** As the metric has it; written out, it must agree. */
  direction: z.enum(['maximize', 'minimize']).optional(),
  seed: seed.default(0),
  /** Configurations that are worked on at once: with more of them, `tpe` knows less when it draws. */
  parallel: z.int().min(1).max(1000).default(4),
});
export type SearchSpec = z.output<typeof searchSpec>;

const epochs = z.int().min(1).max(10_000);

/**
 * Which configurations of a search or an ablation are not trained to their end. `asha`: at minEpochs x eta^r epochs only
 * the best part 1 / eta goes on (Li et al., MLSys 2020, asynchronous promotion). `median`: one whose best value is worse
 * than the median of the others' running averages at the same epoch does not go on (Golovin et al., KDD 2017).
 */
export const earlyStopSpec = z.discriminatedUnion('rule', [
  z.strictObject({
    rule: z.literal('asha'),
    metric: objective.optional(),
    eta: z.int().min(2).max(100).default(3),
    minEpochs: epochs.default(1),
    /** No decision is made after this many epochs. */
    maxEpochs: epochs.optional(),
  }),
  z.strictObject({
    rule: z.literal('median'),
    metric: objective.optional(),
    /** Epochs before the first decision, and between two of them. */
    afterEpochs: epochs.default(1),
    every: epochs.default(1),
    /** Other configurations that must have come as far before one is stopped. */
    minTrials: z.int().min(1).max(10_000).default(5),
  }),
]);
export type EarlyStopSpec = z.output<typeof earlyStopSpec>;

/** The value of each path of a space in one configuration. */
export const searchValues = z.record(z.string(), z.json());
export type SearchValues = z.output<typeof searchValues>;

export const studyPointStates = ['running', 'waiting', 'succeeded', 'stopped', 'failed'] as const;

/** One configuration of a search (or of an ablation with early stopping) and how it did. */
export const studyPoint = z.object({
  /** From 1, in the order in which they were begun. */
  number: z.int().min(1),
  variant: z.string(),
  /** Empty for a configuration of an ablation. */
  values: searchValues,
  /** `waiting`: it has come to an epoch at which it is decided whether it goes on. */
  state: z.enum(studyPointStates),
  /** Mean over seeds and folds; of one that was stopped, its best value until then; null while there is none. */
  value: z.number().nullable(),
  /** The best finished value among those that ended until this one did, itself among them; null before it has ended. */
  bestSoFar: z.number().nullable(),
  /** The how-manieth to end; null before. */
  order: z.int().nullable(),
  /** Epochs trained when it was last looked at. */
  epochs: z.int().nullable(),
  reason: z.string().nullable(),
  trialIds: z.array(z.uuid()),
});
export type StudyPointItem = z.output<typeof studyPoint>;

/** The history of a search, or of an ablation with early stopping. */
export const studyHistory = z.object({
  metric: objective,
  direction: z.enum(['maximize', 'minimize']),
  sampler: z.enum(samplers).nullable(),
  earlyStop: earlyStopSpec.nullable(),
  state: z.enum(['open', 'ended']),
  /** Configurations that it may run. */
  planned: z.int(),
  points: z.array(studyPoint),
  /** The best that was trained to its end. */
  best: studyPoint.nullable(),
});
export type StudyHistory = z.output<typeof studyHistory>;

/** Rounded to six significant digits, which no training tells apart, and short enough to read. */
const sixDigits = (value: number): number => Number(value.toPrecision(6));

/** A number as a spec would have it: readable, and inside the range. */
export function within({ low, high }: { low: number; high: number }, value: number): number {
  return Math.min(high, Math.max(low, sixDigits(value)));
}

/** How many values a parameter has; Infinity where they are not counted. */
export function parameterSize(parameter: SearchParameter): number {
  switch (parameter.kind) {
    case 'choice':
      return parameter.values.length;
    case 'loguniform':
      return parameter.low === parameter.high ? 1 : Infinity;
    case 'uniform':
      if (parameter.low === parameter.high) return 1;
      // As many steps as fit; the tolerance is for steps such as 0.1.
      return parameter.step === undefined
        ? Infinity
        : Math.floor((parameter.high - parameter.low) / parameter.step + 1e-9) + 1;
    case 'int':
      return Math.floor((parameter.high - parameter.low) / parameter.step) + 1;
  }
}

/** The value at a place (0, 1, …) of a parameter whose values are counted. */
export function valueAtPlace(parameter: SearchParameter, place: number): SearchValues[string] {
  switch (parameter.kind) {
    case 'choice':
      return parameter.values[place] ?? null;
    case 'int':
      return parameter.low + place * parameter.step;
    case 'uniform':
      return within(parameter, parameter.low + place * (parameter.step ?? 0));
    case 'loguniform':
      return parameter.low;
  }
}

/** How many configurations a space has. */
export function spaceSize(space: SearchSpace): number {
  return Object.values(space).reduce((product, parameter) => product * parameterSize(parameter), 1);
}

/** How many configurations a search runs at most. */
export function plannedConfigurations({ space, trials }: SearchSpec): number {
  return Math.min(trials ?? Infinity, spaceSize(space));
}

/** Short names of paths: as many of their last keys as tell them apart. */
export function pathLabels(paths: readonly string[]): Map<string, string> {
  const tail = (path: string, length: number) => path.split('.').slice(-length).join('.');
  return new Map(
    paths.map((path) => {
      let length = 1;
      const others = paths.filter((other) => other !== path);
      while (
        length < path.split('.').length &&
        others.some((other) => tail(other, length) === tail(path, length))
      )
        length += 1;
      return [path, tail(path, length)];
    }),
  );
}

/** A value of a parameter in words. */
export function valueText(value: SearchValues[string]): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
