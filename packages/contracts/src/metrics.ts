import { z } from 'zod';
import { angleChoices } from './data.js';
import { emotions } from './emotions.js';
import { robustnessResult } from './robustness.js';
import { testTimeSpec } from './training.js';

/**
 * One row a step: the values known then. Series names are dotted: `train.loss`, `train.accuracy`,
 * `train.learningRate`, `train.imagesPerSecond`, `validation.accuracy`, `validation.macroF1`,
 * `validation.f1.happy`, `validation.nll`, `validation.ece`. `time` is milliseconds since the epoch.
 */
export const metricRow = z.object({
  step: z.int().min(0),
  epoch: z.number().min(0),
  time: z.number(),
  values: z.record(z.string(), z.number().nullable()),
});
export type MetricRow = z.output<typeof metricRow>;

/** A batch of rows as stored and streamed; `cursor` rises by one with every chunk of a job. */
export const metricChunk = z.object({
  jobId: z.uuid(),
  attempt: z.int(),
  cursor: z.int(),
  /** The attempt resumed here: rows from this step on from earlier attempts no longer count. Null otherwise. */
  truncateFrom: z.int().nullable(),
  rows: z.array(metricRow),
});
export type MetricChunk = z.output<typeof metricChunk>;

/** What is measured on one split. Fractions, not percentages; `nll` in nats. */
export const splitMetrics = z.object({
  images: z.int(),
  accuracy: z.number(),
  macroF1: z.number(),
  f1: z.array(z.number()).length(emotions.length),
  nll: z.number(),
  ece: z.number(),
  /** confusion[given][predicted], counts. */
  confusion: z.array(z.array(z.int())),
});
export type SplitMetrics = z.output<typeof splitMetrics>;

/** A finished evaluation: what an `evaluate` job writes as its `metrics` output. */
export const evaluationResult = z.object({
  dataset: z.string(),
  datasetVersion: z.string(),
  protocol: z.string(),
  /** Under `subject-folds`: which pictures. */
  angles: z.enum(angleChoices).exactOptional(),
  /** Generated data: its figures are no benchmark result. */
  synthetic: z.boolean(),
  /** Training images of this protocol that left because an exact copy stands in validation or test. */
  leakRemoved: z.int(),
  /** SHA-256 of which images of the version were scored: equal exactly where the same ones were. */
  images: z.object({ validation: z.string(), test: z.string() }),
  /** Optimizer steps of the training that made the network. */
  updates: z.int(),
  /** Validation is null where every picture of the data is test: the network was trained on other data. */
  splits: z.object({ validation: splitMetrics.nullable(), test: splitMetrics }),
  /** The test split with only the first of exactly equal pictures. */
  testDeduplicated: splitMetrics.pick({ images: true, accuracy: true, macroF1: true }),
  parameters: z.int(),
  macs: z.int(),
  /** Views of each picture whose logits were averaged. */
  testTime: testTimeSpec.default('none'),
  /** Attacks, corruptions, cost and sanity checks; null where none was asked for. */
  robustness: robustnessResult.nullable(),
});
export type EvaluationResult = z.output<typeof evaluationResult>;

/** What a training reports of its validation, in its job's result: the figures at the end of each epoch so far. */
export const validationHistory = z.array(
  z.object({
    epoch: z.number(),
    step: z.int(),
    accuracy: z.number(),
    macroF1: z.number(),
    nll: z.number(),
    ece: z.number(),
  }),
);
export type ValidationHistory = z.output<typeof validationHistory>;
