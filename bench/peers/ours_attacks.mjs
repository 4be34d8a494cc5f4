// Trains a network on a part of real FER2013, attacks it, and leaves what the peer needs in a folder: the weights, the
// images, the random starts, and who survived. One turn of bench/attacks.mjs; prints one JSON line.
// Arguments: workload name, data file, folder, number of images. Threads and oneDNN come from the environment.
import { trainSpec } from '@ferment/contracts';
import {
  nativeVersion,
  readSafetensors,
  runRobustness,
  runTraining,
  startNoise,
  writeSafetensors,
} from '@ferment/engine';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fer2013 } from '../lib/fer2013.mjs';

const workloads = {
  vgg: { model: { name: 'vgg', width: 1, dropout: 0 }, train: 8000, epochs: 6 },
  resnet18: { model: { name: 'resnet18', stem: 'small', width: 0.25 }, train: 4000, epochs: 4 },
};
const [name, file, folder, wanted] = process.argv.slice(2);
const { model, train, epochs } = workloads[name];
const epsilons = [1 / 255, 2 / 255, 4 / 255, 8 / 255];
const seed = 0;

const { data, parts } = await fer2013(file, { train, validation: 500 });
const { mean, std } = parts;
const trained = await runTraining(
  {
    params: {
      data,
      model,
      train: trainSpec.parse({
        epochs,
        batch: 64,
        optimizer: { name: 'sgd', lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
        schedule: { name: 'cosine', warmup: 0.5 },
        augment: 'standard',
        labelSmoothing: 0,
        threads: 2,
      }),
      select: { metric: 'validation.accuracy' },
      seed,
    },
    method: 'train',
    data: { train: parts.train, validation: parts.validation, mean, std },
    teachers: [],
    start: null,
    resume: null,
  },
  {
    sink: { metrics() {}, progress() {}, checkpoint: () => Promise.resolve() },
    signal: new AbortController().signal,
  },
);
const { result, bits } = await runRobustness(
  {
    model,
    weights: trained.best,
    test: parts.test,
    mean,
    std,
    spec: {
      attackImages: Number(wanted),
      attacks: [{ fgsm: { epsilon: epsilons } }, { pgd: { epsilon: epsilons, steps: 20, restarts: 1 } }],
      corruptions: null,
      latency: false,
    },
    seed,
    threads: 2,
    resume: null,
  },
  {
    signal: new AbortController().signal,
    checkpoint: () => Promise.resolve(),
    progress() {},
  },
);
const { images, clean, attacks, sanity } = result;
const values = 48 * 48;
const { tensors } = readSafetensors(bits);
await writeFile(join(folder, 'weights.safetensors'), trained.best);
await writeFile(
  join(folder, 'attacked.safetensors'),
  writeSafetensors({
    ...tensors,
    pixels: { dtype: 'U8', shape: [images, 48, 48], data: parts.test.pixels.slice(0, images * values) },
    starts: {
      dtype: 'F32',
      shape: [images, 48, 48],
      data: startNoise(seed, 0, parts.test.places.slice(0, images), values),
    },
  }),
);
await writeFile(join(folder, 'run.json'), JSON.stringify({ mean, std, attacks }));
console.log(
  JSON.stringify({ images, clean, attacks, sanity, version: `TensorFlow ${nativeVersion().tensorflow}` }),
);
