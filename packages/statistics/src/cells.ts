import type { EvaluationResult, JobParams, MissingResult, TableMetric } from '@ferment/contracts';
import type { SeedResult } from './folds.js';

/** One trial's place in a section: its figures, or why there are none. */
export interface Cell {
  readonly trial: JobParams<'ablation'>['trials'][number];
  readonly result: SeedResult | null;
  readonly missing: MissingResult | null;
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
