// Trains a network on a part of real FER2013 and exports it as ONNX, float32 and INT8, the latter calibrated on its
// training images. One turn of bench/quantise.mjs; prints one JSON line.
// Arguments: model (JSON), data file, folder, training images, epochs, test images, "keep" where a checkpoint in the
// folder is to be taken. Threads and oneDNN come from the environment.
import { modelSpec } from '@ferment/contracts';
import { importFer2013, openVersion, split } from '@ferment/datasets';
import { runExport, runTraining } from '@ferment/engine';
import { createReadStream, existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const [given, file, folder, images, epochs, tested, keep] = process.argv.slice(2);
const model = modelSpec.parse(JSON.parse(given));
const size = 48;
const channels = 1;

const { bytes } = await importFer2013(createReadStream(file), {
  fileName: file,
  skipBad: false,
  synthetic: false,
});
const data = {
  dataset: 'fer2013',
  version: 'f'.repeat(64),
  labels: 'fer',
  classes: 7,
  protocol: 'carved',
  preprocess: { size, channels },
  subset: { train: Number(images), validation: 500, test: Number(tested), seed: 0 },
};
const { train, validation, test, mean, std } = split(openVersion(bytes), data);

async function trained() {
  const { best } = await runTraining(
    {
      params: {
        data,
        model,
        train: {
          epochs: Number(epochs),
          batch: 64,
          optimizer: { name: 'adamw', lr: 0.002, weightDecay: 0.05, betas: [0.9, 0.999], epsilon: 1e-8 },
          schedule: { name: 'cosine', warmup: 0.5 },
          augment: 'flip',
          labelSmoothing: 0,
          rebalance: null,
          threads: 2,
        },
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
