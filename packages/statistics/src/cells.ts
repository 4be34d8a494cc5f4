import type { EvaluationResult, JobParams, MissingResult, TableMetric } from '@ferment/contracts';
import type { SeedResult, SeedTrials } from './folds.js';

export type AblationParams = JobParams<'ablation'>;
export type Trial = AblationParams['trials'][number];

export interface AblationInput {
  readonly params: AblationParams;
  /** Each trial's evaluations by the hash that `params.trials[].metrics` gives. */
  readonly results: Readonly<Record<string, EvaluationResult>>;
}

/** One trial's place in a section: its figures, or why there are none. */
export interface Cell {
  readonly trial: Trial;
  readonly result: SeedResult | null;
  readonly missing: MissingResult | null;
}

/** Which figures a section holds. */
export interface SectionRule {
  /** Whether two evaluations are of one section; an evaluation is of a section only if it is of its own. */
  readonly same: (a: SeedResult, b: SeedResult) => boolean;
  /** Why an ended trial without an evaluation of the section has none. */
  readonly elsewhere: string;
}

/** What makes figures comparable: the same pictures of the same version, under the same protocol. */
export const sameImages = (a: EvaluationResult, b: EvaluationResult) =>
  a.dataset === b.dataset &&
  a.datasetVersion === b.datasetVersion &&
  a.protocol === b.protocol &&
  a.images.validation === b.images.validation &&
  a.images.test === b.images.test;

const evaluations = (trial: Trial, results: SeedTrials['results']): SeedResult[] =>
  trial.state === 'succeeded' ? Object.values(trial.metrics).flatMap((key) => results[key] ?? []) : [];

/** One evaluation for each section, in the order of the trials: it stands for its section. */
export function sectionsOf({ trials, results }: SeedTrials, { same }: SectionRule): SeedResult[] {
  const sections: SeedResult[] = [];
  for (const result of trials.flatMap((trial) => evaluations(trial, results))) {
    if (same(result, result) && !sections.some((known) => same(known, result))) sections.push(result);
  }
  return sections;
}

/** Every trial's place in the section that `first` stands for. */
export function cellsOf(first: SeedResult, { trials, results }: SeedTrials, rule: SectionRule): Cell[] {
  return trials.map((trial) => {
    const result = evaluations(trial, results).find((candidate) => rule.same(candidate, first)) ?? null;
    return { trial, result, missing: result ? null : missing(trial, rule) };
  });
}

function missing({ variant, seed, state, reason }: Trial, { elsewhere }: SectionRule): MissingResult {
  if (state === 'succeeded') return { variant, seed, state: 'elsewhere', reason: elsewhere };
  return { variant, seed, state, reason: reason ?? (state === 'unfinished' ? 'not ended yet' : state) };
}

/** A variant's cells with figures, in the order of the seeds, and how many it should have. */
export function cellsOfVariant(cells: readonly Cell[], variant: string, seeds: readonly number[]) {
  const own = cells.filter((cell) => cell.trial.variant === variant);
  const inOrder = seeds.flatMap((seed) => own.find((cell) => cell.trial.seed === seed) ?? []);
  const present = inOrder.flatMap(({ trial, result }) =>
    result ? [{ seed: trial.seed, trial, result }] : [],
  );
  return { planned: own.length, present };
}

const readers: Readonly<Record<TableMetric, (result: EvaluationResult) => number | undefined>> = {
  'test.accuracy': ({ splits }) => splits.test.accuracy,
  'test.macroF1': ({ splits }) => splits.test.macroF1,
  'test.nll': ({ splits }) => splits.test.nll,
  'test.ece': ({ splits }) => splits.test.ece,
  'validation.accuracy': ({ splits }) => splits.validation?.accuracy,
  'validation.macroF1': ({ splits }) => splits.validation?.macroF1,
  'validation.nll': ({ splits }) => splits.validation?.nll,
  'validation.ece': ({ splits }) => splits.validation?.ece,
  'testDeduplicated.accuracy': ({ testDeduplicated }) => testDeduplicated.accuracy,
  'testDeduplicated.macroF1': ({ testDeduplicated }) => testDeduplicated.macroF1,
};

/** The value of a table metric in an evaluation; null for validation where the data are only tested on. */
export function metricOf(result: EvaluationResult, metric: TableMetric): number | null {
  return readers[metric](result) ?? null;
}
