import { z } from 'zod';
import { importParams, pinnedData } from './data.js';
import { exportFormats, forExportFormats } from './exports.js';
import { modelSpec, networkSpec } from './models.js';
import { ledgerOverride, refineStep } from './refine.js';
import { adversarialMethodSpec, robustnessSpec } from './robustness.js';
import { identifier, seed, sha256 } from './scalars.js';
import { fusionSpec, selectSpec } from './spec.js';
import { distillMethodSpec, testTimeSpec, trainSpec } from './training.js';

/** What an artifact holds. The bytes are content-addressed; the role names how a job produced or uses them. */
export const artifactKinds = [
  'source',
  'dataset',
  'ledger',
  'checkpoint',
  'logits',
  'metrics',
  'table',
  ...exportFormats,
] as const;
export type ArtifactKind = (typeof artifactKinds)[number];

/** One queue for each; `light` work (imports, exports, tables) never waits behind a training. */
export const resourceClasses = ['cpu', 'gpu', 'light'] as const;
export type ResourceClass = (typeof resourceClasses)[number];

export type InputShape = { kind: ArtifactKind; arity: 'one' | 'many' | 'optional' };

const one = <K extends ArtifactKind>(kind: K) => ({ kind, arity: 'one' }) as const satisfies InputShape;
const many = <K extends ArtifactKind>(kind: K) => ({ kind, arity: 'many' }) as const satisfies InputShape;
const optional = <K extends ArtifactKind>(kind: K) =>
  ({ kind, arity: 'optional' }) as const satisfies InputShape;

export interface JobEntry {
  /** Bumped when the same params and inputs give another result. */
  readonly version: number;
  readonly params: z.ZodType;
  /** Inputs that are other jobs' outputs (or a source artifact, for `import`), by role. */
  readonly inputs: Readonly<Record<string, InputShape>>;
  readonly outputs: Readonly<Record<string, ArtifactKind>>;
  readonly resource: ResourceClass;
  /** Attempts allowed by failure class; classes not named are not retried. */
  readonly retry: Readonly<{ transient: number; lost: number; resource: number }>;
}

const retry = { transient: 5, lost: 10, resource: 1 } as const;

const refineParams = z.strictObject({
  data: pinnedData,
  steps: z.array(refineStep),
  overrides: z.array(ledgerOverride),
});

const trainParams = z.strictObject({
  data: pinnedData,
  model: modelSpec,
  train: trainSpec,
  select: selectSpec,
  seed,
  /**
   * The training stops after this epoch and leaves, as `last`, the state that another one of the same length goes on
   * from (its input `continues`): the schedule is that of the whole run. Absent where it goes to its end.
   */
  untilEpoch: z.int().min(1).optional(),
});

const distillParams = trainParams.extend({ method: distillMethodSpec });

const adversarialParams = trainParams.extend({ method: adversarialMethodSpec });

/** What trained a network, as the jobs that use it must know: its pictures, their shape, its number of updates. */
export const trainedNetwork = z.strictObject({ data: pinnedData, model: modelSpec, train: trainSpec });
export type TrainedNetwork = z.output<typeof trainedNetwork>;

const weightsParams = z.strictObject({
  file: sha256,
  model: modelSpec,
  except: z.array(z.string()),
  preprocess: pinnedData.shape.preprocess,
});

const calibrateParams = z.strictObject({ members: z.array(trainedNetwork).length(1) });

const ensembleParams = z.strictObject({ members: z.array(trainedNetwork).min(2), fusion: fusionSpec });

/** Parts of a job's images that can be predicted; `held-out` is the fold that `data.outOfFold` left out. */
export const predictedParts = ['train', 'validation', 'held-out'] as const;

const predictParams = z.strictObject({
  data: pinnedData,
  model: networkSpec,
  part: z.enum(predictedParts),
});

const evaluateParams = z.strictObject({
  data: pinnedData,
  model: networkSpec,
  testTime: testTimeSpec.default('none'),
  robustness: robustnessSpec.nullable().default(null),
});

const exportParams = z.strictObject({ data: pinnedData, model: modelSpec });

/** One result of one trial, as the table's job reads it. */
const tableTrial = z.strictObject({
  variant: identifier,
  factors: z.record(z.string(), z.string()),
  seed,
  /** Null where the data have no folds. */
  fold: z.int().min(0).nullable().default(null),
  /** `stopped`: before the end of its training, by early stopping; it has no figures. */
  state: z.enum(['succeeded', 'stopped', 'failed', 'cancelled', 'unfinished']),
  reason: z.string().nullable(),
  /** Hash of the evaluation's `metrics` artifact, per evaluated data set. */
  metrics: z.record(z.string(), z.string()),
  /** The data set whose images trained the result. */
  trainedOn: z.string().nullable().default(null),
  /** Evaluated data sets whose pictures were aligned before they were stored. */
  aligned: z.array(z.string()).default([]),
});

const ablationParams = z.strictObject({
  experiment: z.string(),
  specHash: z.string(),
  design: z.enum(['one-at-a-time', 'full-factorial', 'list', 'none']),
  baseline: identifier,
  seeds: z.array(seed),
  /** Stages with a fixed seed that the result depends on. */
  fixedStages: z.array(identifier),
  selectMetric: z.string(),
  trials: z.array(tableTrial),
});

/** Every kind of work, once. A missing handler in the worker does not compile. */
export const jobCatalog = {
  import: {
    version: 1,
    params: importParams,
    inputs: {},
    outputs: { dataset: 'dataset' },
    resource: 'light',
    retry,
  },
  /** `predictions`: of a `labelErrors` step, those of every fold in order. */
  refine: {
    version: 2,
    params: refineParams,
    inputs: { predictions: many('logits') },
    outputs: { dataset: 'dataset', ledger: 'ledger' },
    resource: 'cpu',
    retry,
  },
  /**
   * `data`, here and below: a refined version that stands in for the data set as it was imported. `continues`: what a
   * training with `untilEpoch` and otherwise the same params left.
   */
  train: {
    version: 1,
    params: trainParams,
    inputs: { data: optional('dataset'), start: optional('checkpoint'), continues: optional('checkpoint') },
    outputs: { best: 'checkpoint', last: 'checkpoint' },
    resource: 'cpu',
    retry,
  },
  /** `outOfFold`: predictions of every fold in order, teacher after teacher, where the method asks for them. */
  distill: {
    version: 1,
    params: distillParams,
    inputs: {
      data: optional('dataset'),
      teachers: many('checkpoint'),
      start: optional('checkpoint'),
      outOfFold: many('logits'),
      continues: optional('checkpoint'),
    },
    outputs: { best: 'checkpoint', last: 'checkpoint' },
    resource: 'cpu',
    retry,
  },
  /** `best` as everywhere, by the spec's metric on clean images; `robust` by robust validation accuracy. */
  adversarial: {
    version: 1,
    params: adversarialParams,
    inputs: { data: optional('dataset'), start: one('checkpoint'), continues: optional('checkpoint') },
    outputs: { best: 'checkpoint', robust: 'checkpoint', last: 'checkpoint' },
    resource: 'cpu',
    retry,
  },
  /** An uploaded file's weights, checked to fit the model. */
  weights: {
    version: 1,
    params: weightsParams,
    inputs: {},
    outputs: { best: 'checkpoint' },
    resource: 'light',
    retry,
  },
  predict: {
    version: 1,
    params: predictParams,
    inputs: { data: optional('dataset'), checkpoint: one('checkpoint') },
    outputs: { logits: 'logits' },
    resource: 'cpu',
    retry,
  },
  /** Reads predictions of validation images only: no test label can reach the temperature. */
  calibrate: {
    version: 1,
    params: calibrateParams,
    inputs: { checkpoint: one('checkpoint'), logits: one('logits') },
    outputs: { network: 'checkpoint' },
    resource: 'light',
    retry,
  },
  /** `logits`: each member's predictions of the validation images, where weights are fitted; none otherwise. */
  ensemble: {
    version: 1,
    params: ensembleParams,
    inputs: { members: many('checkpoint'), logits: many('logits') },
    outputs: { network: 'checkpoint' },
    resource: 'light',
    retry,
  },
  evaluate: {
    version: 3,
    params: evaluateParams,
    inputs: { data: optional('dataset'), checkpoint: one('checkpoint') },
    outputs: { metrics: 'metrics', logits: 'logits' },
    resource: 'cpu',
    retry,
  },
  /** `data` gives the images that INT8 is calibrated on. */
  export: {
    version: 2,
    params: exportParams,
    inputs: { data: optional('dataset'), checkpoint: one('checkpoint') },
    outputs: forExportFormats((format) => format),
    resource: 'cpu',
    retry,
  },
  ablation: {
    version: 5,
    params: ablationParams,
    inputs: {},
    outputs: { table: 'table' },
    resource: 'light',
    retry,
  },
} as const satisfies Record<string, JobEntry>;

export type JobCatalog = typeof jobCatalog;
export type JobKind = keyof JobCatalog;
export const jobKinds = Object.keys(jobCatalog) as JobKind[];
export type JobParams<K extends JobKind> = z.output<JobCatalog[K]['params']>;
export type JobOutputs<K extends JobKind> = keyof JobCatalog[K]['outputs'];
export type JobInputs<K extends JobKind> = {
  [R in keyof JobCatalog[K]['inputs']]: JobCatalog[K]['inputs'][R] extends { arity: 'many' }
    ? ArtifactReference[]
    : JobCatalog[K]['inputs'][R] extends { arity: 'optional' }
      ? ArtifactReference | null
      : ArtifactReference;
};

/** Bytes by content. */
export const artifactReference = z.object({ hash: z.string(), bytes: z.int() });
export type ArtifactReference = z.output<typeof artifactReference>;
