// Trains a network on a part of real FER2013 and exports it as ONNX, float32 and INT8, the latter calibrated on its
// training images. One turn of bench/quantise.mjs; prints one JSON line.
// Arguments: model (JSON), data file, folder, training images, epochs, test images, "keep" where a checkpoint in the
// folder is to be taken. Threads and oneDNN come from the environment.
import { modelSpec, trainSpec } from '@ferment/contracts';
import { runExport, runTraining } from '@ferment/engine';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fer2013 } from '../lib/fer2013.mjs';

const [given, file, folder, images, epochs, tested, keep] = process.argv.slice(2);
const model = modelSpec.parse(JSON.parse(given));
const subset = { train: Number(images), validation: 500, test: Number(tested) };
const { data, parts } = await fer2013(file, subset);
const { train, validation, test, mean, std } = parts;
const { size, channels } = data.preprocess;

async function trained() {
  const { best } = await runTraining(
    {
      params: {
        data,
        model,
        train: trainSpec.parse({
          epochs: Number(epochs),
          batch: 64,
          optimizer: { name: 'adamw', lr: 0.002, weightDecay: 0.05, betas: [0.9, 0.999], epsilon: 1e-8 },
          schedule: { name: 'cosine', warmup: 0.5 },
          augment: 'flip',
          labelSmoothing: 0,
          threads: 2,
        }),
        select: { metric: 'validation.accuracy' },
        seed: 0,
      },
      method: 'train',
      data: { train, validation, mean, std },
      teachers: [],
      start: null,
      resume: null,
    },
    {
      sink: { metrics() {}, progress() {}, checkpoint: () => Promise.resolve() },
      signal: new AbortController().signal,
    },
  );
  return best;
}

const checkpoint = join(folder, 'best.safetensors');
const weights = keep && existsSync(checkpoint) ? await readFile(checkpoint) : await trained();
await writeFile(checkpoint, weights);
const files = await runExport({ model, weights, size, channels, mean, std, calibration: train });
await writeFile(join(folder, 'float32.onnx'), files.onnx);
await writeFile(join(folder, 'int8.onnx'), files['onnx-int8']);
await writeFile(join(folder, 'pixels'), test.pixels);
await writeFile(join(folder, 'labels'), Uint8Array.from(test.labels));
console.log(
  JSON.stringify({
    bytes: { float32: files.onnx.length, int8: files['onnx-int8'].length },
    images: test.count,
    ...{ size, channels },
  }),
);
