import { emotions, JobFailure, type ModelSpec } from '@ferment/contracts';
import { z } from 'zod';
import { readSafetensors, SafetensorsError, writeSafetensors } from '../files/safetensors.js';
import { weightsFromTensors, weightsToTensors } from '../files/weights.js';
import { createModel } from '../models/index.js';
import type { Normalisation } from '../nn/index.js';
import { exportOnnx } from './onnx.js';

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
}

export interface ExportOutputs {
  /** ONNX, opset 17: `pixels` float32 [batch, channels, size, size] from 0 to 255 to `logits` [batch, classes]. */
  readonly onnx: Uint8Array;
  /** Weights and buffers under torchvision's names and in its layout, and nothing else. */
  readonly safetensors: Uint8Array;
}

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
 * Exports a trained network: ONNX with its preprocessing inside, and safetensors for PyTorch. Both carry `labels`
 * (JSON list), `size`, `channels`, `mean`, `std` and `model` (JSON) as metadata. Equal inputs give equal bytes.
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
  const values = weightsFromTensors(model, tensors);
  const texts = {
    labels: JSON.stringify(labels),
    size: String(size),
    channels: String(channels),
    mean: String(normalisation.mean),
    std: String(normalisation.std),
    model: JSON.stringify(spec),
  };
  return {
    onnx: exportOnnx(spec, input, normalisation, values, texts),
    safetensors: writeSafetensors(weightsToTensors(model, values), texts),
  };
}
