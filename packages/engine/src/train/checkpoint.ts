import { JobFailure, metricRow, modelSpec, type ModelSpec } from '@ferment/contracts';
import { z } from 'zod';
import { readSafetensors, writeSafetensors, type SafetensorsTensor } from '../files/safetensors.js';
import {
  fromFileLayout,
  fileShape,
  toFileLayout,
  weightsFromTensors,
  weightsToTensors,
} from '../files/weights.js';
import type { Model, Normalisation } from '../nn/index.js';
import { savedTask } from '../tasks/index.js';
import { savedPlateau } from '../schedules/index.js';
import { savedLossScale } from './loss-scaler.js';
import { parameterNames, slotName } from './specs.js';

export type Values = Readonly<Record<string, Float32Array>>;

/** What stands in a checkpoint's `__metadata__.ferment`: the scalars, as JSON. */
const checkpointScalars = z.strictObject({
  format: z.literal(1),
  kind: z.enum(['best', 'robust', 'last', 'resumable']),
  model: modelSpec,
  size: z.int(),
  channels: z.int(),
  mean: z.number(),
  std: z.number(),
  seed: z.int(),
  /** Updates done; with the seed and the data set it says where in the data order the run stands. */
  step: z.int(),
  epoch: z.number(),
  steps: z.int(),
  /** Where the best weights so far come from; null before the first evaluation. */
  best: z.strictObject({ step: z.int(), metric: z.number() }).nullable(),
  /** The same by robust validation accuracy; absent but for an adversarial training. */
  robust: z.strictObject({ step: z.int(), metric: z.number() }).nullable().optional(),
  /** Rows of the evaluations so far; only in resumable checkpoints, so that finished weights hold no clock times. */
  curve: z.array(metricRow).optional(),
  /** The row of `step`, which still lacks its evaluation; only in resumable checkpoints at the end of an epoch. */
  pending: metricRow.optional(),
  /** State of a plateau schedule; only in resumable checkpoints. */
  plateau: savedPlateau.optional(),
  /** State of the loss scale of a training in float16; only in resumable checkpoints. */
  lossScale: savedLossScale.optional(),
  /** What the task learnt from its steps and epochs (see TaskHost); only in resumable checkpoints. */
  task: savedTask.optional(),
});
export type CheckpointScalars = z.output<typeof checkpointScalars>;

/** A run between two steps. */
export interface TrainingState {
  readonly scalars: CheckpointScalars;
  readonly weights: Values;
  /** Optimizer slots by `slot.parameter`. */
  readonly slots: Values;
  /** The moving average of the weights, where the run has one; only for resuming. */
  readonly average: Values | null;
  /** The best weights so far, and those of the best robust accuracy, for resuming. */
  readonly best: Values | null;
  readonly robust: Values | null;
}

const optimizerPrefix = 'optimizer.';
const averagePrefix = 'average.';
const bestPrefix = 'best.';
const robustPrefix = 'robust.';

function prefixed(prefix: string, tensors: Readonly<Record<string, SafetensorsTensor>>) {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => [`${prefix}${name}`, tensor] as const),
  );
}

function slotTensors(model: Model, slots: Values): Record<string, SafetensorsTensor> {
  const variables = new Map(model.variables.map((variable) => [variable.name, variable]));
  return Object.fromEntries(
    Object.entries(slots).map(([name, data]): [string, SafetensorsTensor] => {
      const variable = variables.get(name.slice(name.indexOf('.') + 1));
      if (!variable) throw new Error(`the optimizer slot ${name} belongs to no parameter`);
      return [name, { dtype: 'F32', shape: fileShape(variable), data: toFileLayout(variable, data) }];
    }),
  );
}

/** A checkpoint as safetensors: weights under torchvision's names, the rest under `optimizer.`, `average.`, `best.` and `robust.`. */
export function encodeCheckpoint(model: Model, state: TrainingState): Uint8Array {
  const tensors = {
    ...weightsToTensors(model, state.weights),
    ...prefixed(optimizerPrefix, slotTensors(model, state.slots)),
    ...(state.average ? prefixed(averagePrefix, weightsToTensors(model, state.average)) : {}),
    ...(state.best ? prefixed(bestPrefix, weightsToTensors(model, state.best)) : {}),
    ...(state.robust ? prefixed(robustPrefix, weightsToTensors(model, state.robust)) : {}),
  };
  return writeSafetensors(tensors, { ferment: JSON.stringify(state.scalars) });
}

/** The weights of a checkpoint or of any safetensors file with the model's names. */
export function decodeWeights(model: Model, bytes: Uint8Array): Values {
  return weightsFromTensors(model, readSafetensors(bytes).tensors);
}

/** The normalisation that a checkpoint says it was trained with; null for other safetensors files. */
export function statedNormalisation(bytes: Uint8Array): Normalisation | null {
  const { ferment } = readSafetensors(bytes).metadata;
  if (ferment === undefined) return null;
  const stated = checkpointScalars.pick({ mean: true, std: true }).loose().safeParse(JSON.parse(ferment));
  return stated.success ? { mean: stated.data.mean, std: stated.data.std } : null;
}

function withPrefix(prefix: string, tensors: Readonly<Record<string, SafetensorsTensor>>) {
  return Object.fromEntries(
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor] as const),
  );
}

/**
 * A resumable checkpoint, checked against the run it is to continue.
 *
 * @param expected what must agree for the continuation to be the same run
 * @throws JobFailure of class `user` saying what disagrees
 */
export function decodeCheckpoint(
  model: Model,
  program: { readonly slots: readonly string[]; readonly average: boolean },
  bytes: Uint8Array,
  expected: { model: ModelSpec; seed: number; steps: number },
): TrainingState {
  const { tensors, metadata } = readSafetensors(bytes);
  const scalars = checkpointScalars.parse(JSON.parse(metadata['ferment'] ?? 'null'));
  const found = { model: scalars.model, seed: scalars.seed, steps: scalars.steps };
  for (const key of ['model', 'seed', 'steps'] as const)
    if (JSON.stringify(found[key]) !== JSON.stringify(expected[key]))
      throw new JobFailure(
        'user',
        `the checkpoint is of another run: its ${key} is ${JSON.stringify(found[key])}, this run's ${JSON.stringify(expected[key])}`,
      );
  const optimizer = withPrefix(optimizerPrefix, tensors);
  const variables = new Map(model.variables.map((variable) => [variable.name, variable]));
  const values: Record<string, Float32Array> = {};
  for (const slot of program.slots)
    for (const parameter of parameterNames(model)) {
      const name = slotName(slot, parameter);
      const tensor = optimizer[name];
      const variable = variables.get(parameter);
      if (!variable || tensor?.dtype !== 'F32')
        throw new JobFailure('user', `the checkpoint cannot be resumed: it has no ${optimizerPrefix}${name}`);
      values[name] = fromFileLayout(variable, tensor.data);
    }
  return {
    scalars,
    weights: weightsFromTensors(model, tensors),
    slots: values,
    average: program.average ? weightsFromTensors(model, withPrefix(averagePrefix, tensors)) : null,
    best: scalars.best ? weightsFromTensors(model, withPrefix(bestPrefix, tensors)) : null,
    robust: scalars.robust ? weightsFromTensors(model, withPrefix(robustPrefix, tensors)) : null,
  };
}
