import { z } from 'zod';
import { dataSpec, protocols } from './data.js';
import { modelSpec } from './models.js';
import { identifier, seed, sha256 } from './scalars.js';
import { distillMethodSpec, trainSpec } from './training.js';

const trainStage = z.strictObject({
  kind: z.literal('train'),
  seed: seed.optional(),
  model: modelSpec,
  train: trainSpec,
});

const distillStage = z.strictObject({
  kind: z.literal('distill'),
  seed: seed.optional(),
  teachers: z.array(identifier).min(1).max(16),
  /** A stage whose best weights the student starts from (fresh optimizer and schedule). */
  start: identifier.optional(),
  model: modelSpec,
  method: distillMethodSpec,
  train: trainSpec,
});

/** Stage kinds a user may write. Only kinds that work are listed. */
export const stageKinds = ['train', 'distill'] as const;
export type StageKind = (typeof stageKinds)[number];

export const stageSpec = z.discriminatedUnion('kind', [trainStage, distillStage]);
export type StageSpec = z.output<typeof stageSpec>;
export type TrainStage = z.output<typeof trainStage>;
export type DistillStage = z.output<typeof distillStage>;

export const selectMetrics = ['validation.macroF1', 'validation.accuracy', 'validation.nll'] as const;
export type SelectMetric = (typeof selectMetrics)[number];

export const selectSpec = z.strictObject({
  metric: z.enum(selectMetrics).default('validation.macroF1'),
});
export type SelectSpec = z.output<typeof selectSpec>;

/** A patch: dotted path in the spec to the value that replaces what stands there; null takes the key away. */
export const patchSpec = z.record(z.string().min(1), z.json());
export type Patch = z.output<typeof patchSpec>;

const factors = z.record(identifier, z.record(identifier, patchSpec));

export const ablationSpec = z.discriminatedUnion('design', [
  z.strictObject({ design: z.literal('one-at-a-time'), factors }),
  z.strictObject({ design: z.literal('full-factorial'), factors }),
  z.strictObject({
    design: z.literal('list'),
    variants: z.array(z.strictObject({ name: identifier, patch: patchSpec })).min(1),
  }),
]);
export type AblationSpec = z.output<typeof ablationSpec>;

export const evaluateSpec = z.strictObject({
  /** Data sets the result is scored on; the experiment's own when left out. */
  on: z
    .array(
      z.strictObject({
        dataset: identifier,
        version: sha256.optional(),
        protocol: z.enum(protocols).optional(),
      }),
    )
    .default([]),
});
export type EvaluateSpec = z.output<typeof evaluateSpec>;

/**
 * An experiment as a user writes it: named stages, one result, seeds, an ablation. Unknown keys are refused.
 * The stored form is the output of this schema with every data set pinned to a version.
 */
export const experimentSpec = z.strictObject({
  specVersion: z.literal(1),
  name: identifier,
  description: z.string().max(2000).default(''),
  tags: z.array(identifier).max(32).default([]),
  data: dataSpec,
  stages: z.record(identifier, stageSpec).refine((stages) => Object.keys(stages).length > 0, {
    message: 'expected at least one stage',
  }),
  /** The stage whose checkpoint is the trial's result. */
  result: identifier,
  evaluate: evaluateSpec.prefault({}),
  select: selectSpec.prefault({}),
  seeds: z
    .array(seed)
    .min(1)
    .max(1000)
    .refine((seeds) => new Set(seeds).size === seeds.length, { message: 'seeds must differ' })
    .default([0]),
  ablation: ablationSpec.nullable().default(null),
});
export type ExperimentSpec = z.output<typeof experimentSpec>;
export type ExperimentSpecInput = z.input<typeof experimentSpec>;
