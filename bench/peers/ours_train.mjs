// A captured training step of the engine: one turn of bench/train.mjs. Prints one JSON line.
// Arguments: workload name, batch, size, steps. Threads and oneDNN come from the environment.
import { capture, describeTraining, nativeVersion, trainingDefinition } from '@ferment/engine';

const models = {
  vgg: { model: { name: 'vgg', width: 1, dropout: 0 }, channels: 1 },
  'resnet18-imagenet-stem': { model: { name: 'resnet18', stem: 'imagenet', width: 1 }, channels: 3 },
  'resnet18-small-stem': { model: { name: 'resnet18', stem: 'small', width: 1 }, channels: 3 },
  'mobilenetv3-imagenet-stem': {
    model: { name: 'mobilenetv3-large', stem: 'imagenet', width: 1, dropout: 0.2 },
    channels: 3,
  },
};
const [name, ...numbers] = process.argv.slice(2);
const [batch, size, steps] = numbers.map(Number);
const { model, channels } = models[name];

const count = batch * 4;
const pixels = Uint8Array.from({ length: count * size * size * channels }, (_, at) => (at * 7919) % 251);
const images = {
  pixels,
  labels: Int32Array.from({ length: count }, (_, at) => at % 7),
  count,
  size,
  channels,
};
const optimizer = { name: 'sgd', lr: 0.01, momentum: 0.9, nesterov: true, weightDecay: 5e-4 };
const train = {
  updates: steps,
  batch,
  optimizer,
  schedule: { name: 'constant', warmup: 0 },
  augment: 'none',
  labelSmoothing: 0.1,
  threads: 2,
};
const program = describeTraining({
  params: { model, train, seed: 0, select: { metric: 'validation.macroF1' } },
  method: 'train',
  data: { train: images, validation: images, mean: 0.5, std: 0.25 },
  teachers: [],
  start: null,
  resume: null,
});
const session = capture(trainingDefinition(program));
session.write('data', { images: pixels, labels: images.labels });
const elements = (shape) => shape.reduce((product, length) => product * length, 1);
// Any finite weights take the same time; batch norm keeps the activations in range.
const values = (value) => (variable) => [
  variable.name,
  Float32Array.from({ length: elements(variable.shape) }, (_, at) => value(variable, at)),
];
const weight = (variable, at) => (variable.layout === 'vector' ? 1 : Math.sin(at * 12.9898) * 0.05);
session.write('model', Object.fromEntries(program.student.variables.map(values(weight))));
const slots = program.student.variables
  .filter(({ role }) => role === 'parameter')
  .map((variable) => [`momentum_buffer.${variable.name}`, new Float32Array(elements(variable.shape))]);
session.write('optimizer', Object.fromEntries(slots));

function step(index) {
  const first = (index % 4) * batch;
  return session.run('train', {
    indices: Int32Array.from({ length: batch }, (_, at) => first + at),
    key: Int32Array.of(0, index),
    learningRate: Float32Array.of(0.01),
    correction1: Float32Array.of(1),
    correction2: Float32Array.of(1),
  }).loss[0];
}

for (let index = 0; index < 3; index++) step(index);
const started = performance.now();
for (let index = 0; index < steps; index++) step(index);
const imagesPerSecond = (steps * batch * 1000) / (performance.now() - started);
console.log(JSON.stringify({ imagesPerSecond, version: `TensorFlow ${nativeVersion().tensorflow}` }));
