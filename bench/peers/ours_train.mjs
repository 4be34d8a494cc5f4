// Training steps of the engine as a job runs them: one turn of bench/train.mjs. Prints one JSON line.
// Arguments: workload name, execution (captured or eager), precision (float32, bfloat16 or float16). Threads and oneDNN
// come from the environment.
import { trainSpec } from '@ferment/contracts';
import {
  createModel,
  describeTraining,
  traceProgram,
  trainingDefinition,
  adversarialDefinition,
  nativeVersion,
  runTraining,
  TrainingStopped,
  weightsToTensors,
  writeSafetensors,
} from '@ferment/engine';
import { workloadOf } from '../lib/workloads.mjs';

const [name, execution = 'captured', precision = 'float32'] = process.argv.slice(2);
const { kind, model, teachers = [], batch, size, channels, steps } = workloadOf(name);
const warmup = 3;
const classes = 7;

const count = batch * (warmup + steps + 2);
const images = {
  pixels: Uint8Array.from({ length: count * size * size * channels }, (_, at) => (at * 7919) % 251),
  labels: Int32Array.from({ length: count }, (_, at) => at % classes),
  count,
  size,
  channels,
};
// Of the validation that a run ends with nothing is timed, and the run is stopped before it.
const validation = {
  ...images,
  pixels: images.pixels.subarray(0, batch * size * size * channels),
  labels: images.labels.subarray(0, batch),
  count: batch,
};

/** A teacher with weights drawn as for a training; any finite ones take the same time. */
function teacher(spec) {
  const network = createModel(spec, { size, channels, classes });
  let state = 1;
  const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const random = { uniform, normal };
  const values = Object.fromEntries(
    network.variables.map(({ name: variable, shape, initial }) => [variable, initial(random, shape)]),
  );
  const outOfFold = Float32Array.from({ length: count * classes }, () => 2 * uniform() - 1);
  return {
    model: spec,
    weights: writeSafetensors(weightsToTensors(network, values)),
    temperature: 1.5,
    outOfFold,
  };
}

const methods = {
  train: null,
  eadd: {
    name: 'eadd',
    temperature: 4,
    ceWeight: 0.1,
    distillWeight: 0.9,
    lambda: 0.5,
    tau: 0.1,
    shrinkage: 50,
    strength: 'f1',
    gamma: 1,
    classStrength: true,
    reliability: true,
    calibrated: true,
    labelFree: false,
    target: 'kd',
    alpha: 1,
    beta: 8,
    outOfFold: { folds: 5 },
    adversarial: null,
  },
  pgd: {
    name: 'pgd-at',
    epsilon: 8 / 255,
    stepSize: 2 / 255,
    steps: 10,
    ramp: 0,
    validationSteps: 1,
    validationImages: 1,
  },
};
const inputs = {
  params: {
    model,
    train: trainSpec.parse({
      updates: warmup + steps + 1,
      batch,
      optimizer: { name: 'sgd', lr: 0.001, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
      schedule: { name: 'constant', warmup: 0 },
      augment: 'none',
      labelSmoothing: 0.1,
      precision,
      threads: 2,
    }),
    seed: 0,
    select: { metric: 'validation.macroF1' },
    ...(methods[kind] && { method: methods[kind] }),
  },
  method: { train: 'train', eadd: 'distill', pgd: 'adversarial' }[kind],
  data: { train: images, validation, mean: 0.5, std: 0.25 },
  teachers: teachers.map(teacher),
  start: null,
  resume: null,
};

// For bench/profile.mjs: what each node takes and gives.
if (process.env.FERMENT_BENCH_SHAPES) {
  const program = describeTraining(inputs);
  const { nodes } = traceProgram(
    program.inner ? adversarialDefinition(program) : trainingDefinition(program),
  ).graph;
  const outputs = new Map(nodes.map((node) => [node.name, node.outputs]));
  const shape = (reference) => {
    const [node, output = 0] = reference.split(':');
    return `[${outputs.get(node)?.[output]?.shape.join(',') ?? ''}]`;
  };
  const shapes = nodes.map(({ name: node, inputs: taken }) => [
    node,
    `${taken
      .filter((each) => !each.startsWith('^'))
      .map(shape)
      .join(' ')} -> ${shape(node)}`,
  ]);
  console.log(JSON.stringify({ shapes: Object.fromEntries(shapes) }));
}

const stop = new AbortController();
let started;
let elapsed;
const sink = {
  metrics({ step }) {
    const now = { wall: performance.now(), cpu: process.cpuUsage() };
    if (step === warmup) started = now;
    if (step !== warmup + steps) return;
    const { user, system } = process.cpuUsage(started.cpu);
    elapsed = { wall: (now.wall - started.wall) / 1e3, cpu: (user + system) / 1e6 };
    stop.abort();
  },
  checkpoint: async () => {},
  progress() {},
};
await runTraining(inputs, { sink, signal: stop.signal, execution }).catch((error) => {
  if (!(error instanceof TrainingStopped)) throw error;
});
console.log(
  JSON.stringify({
    imagesPerSecond: (steps * batch) / elapsed.wall,
    imagesPerCpuSecond: (steps * batch) / elapsed.cpu,
    version: `TensorFlow ${nativeVersion().tensorflow}`,
  }),
);
