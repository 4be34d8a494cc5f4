// A model's captured training program: one turn of bench/capture.mjs. Prints one JSON line, or with --dump the graph.
// Arguments: model (JSON), batch, pixels on a side, optimizer (JSON), --dump and the name of a fetch. Threads and
// oneDNN come from the environment.
import { readFileSync } from 'node:fs';
import { estimateTrainingMemory, trainSpec } from '@ferment/contracts';
import {
  capture,
  describeTraining,
  encodeGraph,
  graphText,
  nativeVersion,
  traceProgram,
  trainingDefinition,
} from '@ferment/engine';

const [modelText, batchText, sizeText, optimizerText, dump, fetch] = process.argv.slice(2);
const model = JSON.parse(modelText);
const batch = Number(batchText);
const size = Number(sizeText);
const channels = 1;
const optimizer = JSON.parse(optimizerText);

const count = batch * 2;
const pixels = Uint8Array.from({ length: count * size * size * channels }, (_, at) => (at * 7919) % 251);
const labels = Int32Array.from({ length: count }, (_, at) => at % 7);
const images = { pixels, labels, count, size, channels };
const train = trainSpec.parse({
  ...{ updates: 2, batch, optimizer, augment: 'standard', labelSmoothing: 0.1 },
  ...{ schedule: { name: 'constant', warmup: 0 }, threads: Number(process.env.TF_NUM_INTRAOP_THREADS) },
});
const program = describeTraining({
  params: { model, train, seed: 0, select: { metric: 'validation.macroF1' } },
  method: 'train',
  data: { train: images, validation: images, mean: 0.5, std: 0.25 },
  teachers: [],
  start: null,
  resume: null,
});
const definition = trainingDefinition(program);

if (dump) {
  const { nodes } = traceProgram(definition).graph;
  const shown = fetch === 'all' ? nodes : nodes.filter(({ name }) => name.startsWith(`${fetch}/`));
  console.log(graphText({ nodes: shown }));
} else console.log(JSON.stringify(measured()));

/** Largest resident memory so far, in bytes. */
function peak() {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
}

function measured() {
  const { tensorflow } = nativeVersion();
  const before = peak();
  const started = performance.now();
  const session = capture(definition);
  const loaded = performance.now();

  const elements = (shape) => shape.reduce((product, length) => product * length, 1);
  // Any finite weights take the same time; batch norm keeps the activations in range.
  const values = (variable) => {
    const vector = variable.layout === 'vector' || variable.layout === 'channels';
    const value = (at) => (vector ? 1 : Math.sin(at * 12.9898) * 0.05);
    return Float32Array.from({ length: elements(variable.shape) }, (_, at) => value(at));
  };
  for (const variable of program.student.variables)
    session.write('model', { [variable.name]: values(variable) });
  for (const [name, { shape }] of Object.entries(definition.state.optimizer))
    session.write('optimizer', { [name]: new Float32Array(elements(shape)) });
  session.write('data', { images: pixels, labels });

  const step = (index) =>
    session.run('train', {
      indices: Int32Array.from({ length: batch }, (_, at) => (index * batch + at) % count),
      key: Int32Array.of(0, index),
      learningRate: Float32Array.of(0.001),
      correction1: Float32Array.of(0.1),
      correction2: Float32Array.of(0.001),
    }).loss[0];
  const ready = performance.now();
  const losses = [step(0)];
  const first = performance.now();
  losses.push(step(1));
  session.run('evaluate', { images: new Uint8Array(program.evaluationBatch * size * size * channels) });
  if (!losses.every(Number.isFinite)) throw new Error(`the losses are ${losses.join(', ')}`);
  const input = { size, channels };
  return {
    nodes: session.graph.nodes.length,
    trainNodes: session.graph.nodes.filter(({ name }) => name.startsWith('train/')).length,
    graphBytes: encodeGraph(session.graph).length,
    captureSeconds: (loaded - started) / 1000,
    firstStepSeconds: (first - ready) / 1000,
    processBytes: before,
    peakBytes: peak() - before,
    estimatedBytes: estimateTrainingMemory({ model, optimizer, batch, images: count, input, teachers: [] }),
    version: `TensorFlow ${tensorflow}`,
  };
}
