import { z } from 'zod';
import { angleChoices, dataSpec, protocols } from './data.js';
import { modelSpec } from './models.js';
import { ledgerOverride, refineStep } from './refine.js';
import { robustnessSpec, adversarialMethodSpec } from './robustness.js';
import { bounded, identifier, seed, sha256 } from './scalars.js';
import { earlyStopSpec, searchSpec } from './search.js';
import { distillMethodSpec, rebalanceSpec, testTimeSpec, trainSpec } from './training.js';

/** Decides on the training images, one ledger row each, and makes a data-set version of what remains. */
const refineStage = z.strictObject({
  kind: z.literal('refine'),
  steps: z.array(refineStep).max(32).default([]),
  /** For the trainings that read this stage and do not rebalance by themselves. */
  rebalance: rebalanceSpec.nullable().default(null),
  overrides: z.array(ledgerOverride).max(100_000).default([]),
});

/** A stage whose best weights this one starts from (fresh optimizer and schedule). */
const start = identifier.optional();

/** A `refine` stage whose version is trained on, in place of the data set as it was imported. */
const data = identifier.optional();

const trainStage = z.strictObject({
  kind: z.literal('train'),
  seed: seed.optional(),
  data,
  start,
  model: modelSpec,
  train: trainSpec,
});

const distillStage = z.strictObject({
  kind: z.literal('distill'),
  seed: seed.optional(),
  data,
  teachers: z.array(identifier).min(1).max(16),
  start,
  model: modelSpec,
  method: distillMethodSpec,
  train: trainSpec,
});

/** Weights from a file, such as ImageNet's for a torchvision model: for other stages to start from. */
const weightsStage = z.strictObject({
  kind: z.literal('weights'),
  /** SHA-256 of an uploaded safetensors file with the names of the PyTorch model. */
  file: sha256,
  model: modelSpec,
  /** Parts of the network, by the beginnings of their names, that the file does not fill: they are drawn from seed 0. */
  except: z.array(z.string().min(1)).max(64).default([]),
});

/** Goes on from the weights of `start`, with its model and data, against attacks on the training images. */
const adversarialStage = z.strictObject({
  kind: z.literal('adversarial'),
  seed: seed.optional(),
  start: identifier,
  method: adversarialMethodSpec,
  /** As `start` was trained, where it is left out. */
  train: trainSpec.optional(),
});

/** Weights of the members' logits: given, or fitted on validation. */
export const fusionSpec = z
  .strictObject({
    weights: z.array(bounded(0, 1)).min(2).max(16).optional(),
    fit: z.literal('validation').optional(),
  })
  .refine((fusion) => (fusion.weights === undefined) !== (fusion.fit === undefined), {
    message: 'expected exactly one of "weights" and "fit"',
  });
export type FusionSpec = z.output<typeof fusionSpec>;

/** Several networks as one: z = sum_k w_k z_k / T_k. */
const ensembleStage = z.strictObject({
  kind: z.literal('ensemble'),
  members: z.array(identifier).min(2).max(16),
  fusion: fusionSpec.prefault({ fit: 'validation' }),
});

/** A network with the temperature that fits its validation logits best. */
const calibrateStage = z.strictObject({ kind: z.literal('calibrate'), of: identifier });

export const stageSpec = z.discriminatedUnion('kind', [
  refineStage,
  trainStage,
  distillStage,
  adversarialStage,
  ensembleStage,
  calibrateStage,
  weightsStage,
]);
export type StageSpec = z.output<typeof stageSpec>;
export type StageKind = StageSpec['kind'];
export type StageOf<K extends StageKind> = Extract<StageSpec, { kind: K }>;

/** Stages that train a network, each one job. */
export const trainingKinds = ['train', 'distill', 'adversarial'] as const;
export type TrainingKind = (typeof trainingKinds)[number];

/** Whether a stage or a job of this kind trains a network. */
export function isTrainingKind(kind: string): kind is TrainingKind {
  return (trainingKinds as readonly string[]).includes(kind);
}

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
        angles: z.enum(angleChoices).optional(),
      }),
    )
    .default([]),
  /** Views of each picture whose logits are averaged, of clean images alone. */
  testTime: testTimeSpec.default('none'),
  ...robustnessSpec.shape,
});
export type EvaluateSpec = z.output<typeof evaluateSpec>;

/** How an experiment is worked on. No result depends on it, so it is not part of what a job is. */
export const runSpec = z.strictObject({
  /** Share of the workers beside other experiments. */
  priority: z.int().min(1).max(10).default(5),
  /** Most jobs at once, light ones (tables, exports) not counted; as many as there are workers where it is left out. */
  parallel: z.int().min(1).max(10_000).optional(),
  /** Minutes that one attempt at a job may take before it is given up; no end where it is left out. */
  timeout: z.number().positive().max(1e6).optional(),
  /** GiB that a training takes at its peak, where it computes; estimated from model and batch where it is left out. */
  memory: z.number().positive().max(1e5).optional(),
});
export type RunSpec = z.output<typeof runSpec>;

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
  /** Instead of an ablation. Absent, not null, where there is none, as `earlyStop`: earlier specs keep their hashes. */
  search: searchSpec.exactOptional(),
  /** For a search or an ablation. */
  earlyStop: earlyStopSpec.exactOptional(),
  run: runSpec.prefault({}),
});
export type ExperimentSpec = z.output<typeof experimentSpec>;
export type ExperimentSpecInput = z.input<typeof experimentSpec>;
