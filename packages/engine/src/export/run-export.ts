import { emotions, JobFailure, type ExportFormat, type ModelSpec } from '@ferment/contracts';
import { z } from 'zod';
import { readSafetensors, SafetensorsError, writeSafetensors } from '../files/safetensors.js';
import { weightsFromTensors, weightsToTensors } from '../files/weights.js';
import { createModel } from '../models/index.js';
import { traceInference } from '../models/inference.js';
import type { Normalisation } from '../nn/index.js';
import { calibrate, type CalibrationImages } from './calibrate.js';
import { computeWeights } from './computed-weights.js';
import { foldBatchNorms } from './fold.js';
import { traceFreeBatch } from './free-batch.js';
import { freeze } from './frozen.js';
import { factTexts, type ExportFacts } from './interface.js';
import { exportOnnx, onnxGraph } from './onnx.js';
import { exportSavedModel } from './saved-model.js';
import { quantise, rangesWanted } from './quantise.js';
import { exportTfjs } from './tfjs.js';

export interface ExportInputs {
  readonly model: ModelSpec;
  /** safetensors with the model's weights, such as a `best` checkpoint. */
  readonly weights: Uint8Array;
  /** Pixels on a side, and channels, of the pictures the model was trained on. */
  readonly size: number;
  readonly channels: 1 | 3;
  /** Of the training images, in units of x / 255; the checkpoint's own when left out. */
  readonly mean?: number;
  readonly std?: number;
  /** Names of the classes, in the order of the logits; default the seven emotions. */
  readonly labels?: readonly string[];
  /** Training images, by which INT8 ranges are chosen. */
  readonly calibration: CalibrationImages;
}

/** Bytes by format; see the formats' own functions for input, output and metadata. */
export type ExportOutputs = Readonly<Record<ExportFormat, Uint8Array>>;

const savedNormalisation = z.object({ mean: z.number(), std: z.number() });

function normalisationOf(inputs: ExportInputs, metadata: Readonly<Record<string, string>>): Normalisation {
  const { mean, std } = inputs;
  if (mean !== undefined && std !== undefined) return { mean, std };
  let scalars: unknown;
  try {
    scalars = JSON.parse(metadata.ferment ?? '');
  } catch {
    scalars = null;
  }
  const saved = savedNormalisation.safeParse(scalars);
  if (!saved.success) {
    throw new JobFailure(
      'user',
      'export: the checkpoint has no mean and std of its training images; give both',
    );
  }
  return { mean: mean ?? saved.data.mean, std: std ?? saved.data.std };
}

function open(weights: Uint8Array): ReturnType<typeof readSafetensors> {
  try {
    return readSafetensors(weights);
  } catch (error) {
    if (error instanceof SafetensorsError) throw new JobFailure('user', `export: ${error.message}`);
    throw error;
  }
}

/**
 * Exports a trained network: graphs with their preprocessing inside and the batch norms folded, and safetensors for
 * PyTorch, which has the weights and buffers as they were trained and nothing else. All say which `labels`, `size`,
 * `channels`, `mean`, `std` and `model` they have. Equal inputs give equal bytes.
 *
 * @throws JobFailure of class `user` when the weights do not fit the model or cannot be read
 */
export async function runExport(inputs: ExportInputs): Promise<ExportOutputs> {
  const { model: spec, size, channels, labels = emotions } = inputs;
  const input = { size, channels, classes: labels.length };
  const model = createModel(spec, input);
  const { tensors, metadata } = open(inputs.weights);
  const normalisation = normalisationOf(inputs, metadata);
  if (!(normalisation.std > 0)) {
    throw new JobFailure('user', `export: std is ${normalisation.std}; expected a number above zero`);
  }
  const weights = weightsFromTensors(model, tensors);
  const facts: ExportFacts = { model: spec, size, channels, normalisation, labels };
  const graph = traceFreeBatch((batch) => traceInference(spec, input, batch, normalisation));
  const folded = computeWeights(foldBatchNorms({ graph, weights }));
  const frozen = freeze(folded);
  const onnx = onnxGraph(folded);
  const int8 = quantise(onnx, calibrate(frozen, inputs.calibration, rangesWanted(onnx)));
  return {
    onnx: exportOnnx(onnx, facts),
    'onnx-int8': exportOnnx(int8, facts),
    savedmodel: exportSavedModel(frozen, facts),
    tfjs: exportTfjs(frozen, facts),
    safetensors: writeSafetensors(weightsToTensors(model, weights), factTexts(facts)),
  };
}
