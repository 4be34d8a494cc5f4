// Training steps of plain tfjs-layers on the same native library (`trainOnBatch`): a peer of bench/train.mjs. Prints one
// JSON line. Argument: workload name; VGG and ResNet-18 (tfjs-layers has neither hard swish nor attention). Its SGD has no
// weight decay, so that step does a little less. Threads and oneDNN come from the environment.
import { createRequire } from 'node:module';
import util from 'node:util';
import { workloadOf } from '../lib/workloads.mjs';

// Node 23 dropped what the package calls.
util.isNullOrUndefined ??= (value) => value === null || value === undefined;
util.isArray ??= Array.isArray;
const tf = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu');

const { model: spec, batch, size, channels, steps } = workloadOf(process.argv[2]);
const warmup = 2;
const { layers } = tf;

function convolution(x, filters, kernelSize, strides = 1) {
  const padded =
    strides > 1 && kernelSize > 1 ? layers.zeroPadding2d({ padding: (kernelSize - 1) / 2 }).apply(x) : x;
  const padding = strides > 1 ? 'valid' : 'same';
  return layers.conv2d({ filters, kernelSize, strides, padding, useBias: false }).apply(padded);
}
function normalised(x, filters, kernelSize, strides = 1, relu = true) {
  const y = layers
    .batchNormalization({ momentum: 0.9, epsilon: 1e-5 })
    .apply(convolution(x, filters, kernelSize, strides));
  return relu ? layers.reLU().apply(y) : y;
}
function block(x, filters, strides) {
  const line = normalised(normalised(x, filters, 3, strides), filters, 3, 1, false);
  const beside = strides > 1 || x.shape[3] !== filters ? normalised(x, filters, 1, strides, false) : x;
  return layers.reLU().apply(layers.add().apply([line, beside]));
}

const input = tf.input({ shape: [size, size, channels] });
let x = input;
if (spec.name === 'vgg')
  for (const [filters, strides] of [
    [32, 1],
    [32, 2],
    [64, 1],
    [64, 2],
    [128, 1],
    [128, 2],
    [256, 2],
  ])
    x = normalised(x, filters, 3, strides);
else {
  x = spec.stem === 'imagenet' ? normalised(x, 64, 7, 2) : normalised(x, 64, 3);
  if (spec.stem === 'imagenet')
    x = layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }).apply(x);
  for (const [index, filters] of [64, 128, 256, 512].entries())
    for (const strides of [index === 0 ? 1 : 2, 1]) x = block(x, filters, strides);
}
x = layers.dense({ units: 7, activation: 'softmax' }).apply(layers.globalAveragePooling2d({}).apply(x));
const model = tf.model({ inputs: input, outputs: x });
model.compile({ optimizer: tf.train.momentum(0.001, 0.9, true), loss: 'categoricalCrossentropy' });

const images = tf.randomNormal([batch, size, size, channels]);
const labels = tf.oneHot(
  tf.tensor1d(
    Array.from({ length: batch }, (_, at) => at % 7),
    'int32',
  ),
  7,
);
for (let index = 0; index < warmup; index++) await model.trainOnBatch(images, labels);
const started = performance.now();
const before = process.cpuUsage();
for (let index = 0; index < steps; index++) await model.trainOnBatch(images, labels);
const elapsed = (performance.now() - started) / 1e3;
const { user, system } = process.cpuUsage(before);
console.log(
  JSON.stringify({
    imagesPerSecond: (steps * batch) / elapsed,
    imagesPerCpuSecond: (steps * batch * 1e6) / (user + system),
    version: `tfjs-layers ${tf.version['tfjs-layers']}`,
  }),
);
