import type { EvaluationResult, JobParams, MissingResult, TableMetric } from '@ferment/contracts';

/** One trial's place in a section: its figures, or why there are none. */
export interface Cell {
  readonly trial: JobParams<'ablation'>['trials'][number];
  readonly result: EvaluationResult | null;
  readonly missing: MissingResult | null;
}

const readers: Readonly<Record<TableMetric, (splits: EvaluationResult['splits']) => number>> = {
  'test.accuracy': ({ test }) => test.accuracy,
  'test.macroF1': ({ test }) => test.macroF1,
  'test.nll': ({ test }) => test.nll,
  'test.ece': ({ test }) => test.ece,
  'validation.accuracy': ({ validation }) => validation.accuracy,
  'validation.macroF1': ({ validation }) => validation.macroF1,
  'validation.nll': ({ validation }) => validation.nll,
  'validation.ece': ({ validation }) => validation.ece,
};

/** The value of a table metric in an evaluation. */
export function metricOf({ splits }: EvaluationResult, metric: TableMetric): number {
  return readers[metric](splits);
}
