import { z } from 'zod';
import { importParams, pinnedData } from './data.js';
import { modelSpec } from './models.js';
import { identifier, seed } from './scalars.js';
import { selectSpec } from './spec.js';
import { distillMethodSpec, trainSpec } from './training.js';

/** What an artifact holds. The bytes are content-addressed; the role names how a job produced or uses them. */
export const artifactKinds = [
  'source',
  'dataset',
  'checkpoint',
  'logits',
  'metrics',
  'onnx',
  'safetensors',
  'table',
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

const trainParams = z.strictObject({
  data: pinnedData,
  model: modelSpec,
  train: trainSpec,
  select: selectSpec,
  seed,
});

const distillParams = trainParams.extend({ method: distillMethodSpec });

const evaluateParams = z.strictObject({ data: pinnedData, model: modelSpec });

const exportParams = z.strictObject({ data: pinnedData, model: modelSpec });

/** One result of one trial, as the table's job reads it. */
const tableTrial = z.strictObject({
  variant: identifier,
  factors: z.record(z.string(), z.string()),
  seed,
  state: z.enum(['succeeded', 'failed', 'cancelled', 'unfinished']),
  reason: z.string().nullable(),
  /** Hash of the evaluation's `metrics` artifact, per evaluated data set. */
  metrics: z.record(z.string(), z.string()),
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
  train: {
    version: 1,
    params: trainParams,
    inputs: {},
    outputs: { best: 'checkpoint', last: 'checkpoint' },
    resource: 'cpu',
    retry,
  },
  distill: {
    version: 1,
    params: distillParams,
    inputs: { teachers: many('checkpoint'), start: optional('checkpoint') },
    outputs: { best: 'checkpoint', last: 'checkpoint' },
    resource: 'cpu',
    retry,
  },
  evaluate: {
    version: 2,
    params: evaluateParams,
    inputs: { checkpoint: one('checkpoint') },
    outputs: { metrics: 'metrics', logits: 'logits' },
    resource: 'cpu',
    retry,
  },
  export: {
    version: 1,
    params: exportParams,
    inputs: { checkpoint: one('checkpoint') },
    outputs: { onnx: 'onnx', safetensors: 'safetensors' },
    resource: 'cpu',
    retry,
  },
  ablation: {
    version: 2,
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
