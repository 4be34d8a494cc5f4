// Inference by the engine's captured graph: one turn of bench/inference.mjs. Prints one JSON line.
// Arguments: model (JSON), pixels on a side, channels, where to write the ONNX export and the weights. Threads and oneDNN come from
// the environment.
import { writeFile } from 'node:fs/promises';
import { estimateModelCost } from '@ferment/contracts';
import {
  createModel,
  openScorer,
  runExport,
  runRobustness,
  weightsToTensors,
  writeSafetensors,
} from '@ferment/engine';

const [text, ...rest] = process.argv.slice(2);
const model = JSON.parse(text);
const [size, channels] = rest.slice(0, 2).map(Number);
const [file, weightsFile] = rest.slice(2);
const threads = Number(process.env.TF_NUM_INTRAOP_THREADS);
const normalisation = { mean: 0.5, std: 0.25 };

// Any finite weights take the same time; these keep activations in range, and no two of a layer alike, so that programs
// which answer alike have the same network.
const elements = (shape) => shape.reduce((product, length) => product * length, 1);
const network = createModel(model, { size, channels });
function drawn({ name, layout, shape }) {
  const flat = layout === 'vector' || layout === 'channels';
  const offset = /(bias|running_mean|pos_embed)$/.test(name);
  const outputs = layout === 'depthwise' ? 1 : shape.at(-1);
  const scale = flat ? (offset ? 0.1 : 0.3) : 2 / Math.sqrt(elements(shape) / outputs);
  const middle = flat && !offset ? 1 : 0;
  let state = name.length + elements(shape);
  const next = () => (state = (state * 48271) % 2147483647) / 1073741823.5 - 1;
  return Float32Array.from({ length: elements(shape) }, () => middle + scale * next());
}
const values = Object.fromEntries(network.variables.map((variable) => [variable.name, drawn(variable)]));
// In the order of the layers, which peers with other names go by; a file's own order is another.
const order = network.variables.map(({ name }) => name);
const weights = writeSafetensors(weightsToTensors(network, values), { order: JSON.stringify(order) });

const count = 64;
const images = {
  pixels: Uint8Array.from({ length: count * size * size * channels }, (_, at) => (at * 7919) % 251),
  labels: Int32Array.from({ length: count }, (_, at) => at % 7),
  count,
  size,
  channels,
};
const places = Int32Array.from({ length: count }, (_, at) => at);
const { signal } = new AbortController();
const { result } = await runRobustness(
  {
    ...{ model, weights, threads, seed: 0, resume: null, ...normalisation },
    test: { ...images, indices: places, places },
    spec: { attackImages: 1, attacks: [], corruptions: null, latency: true },
  },
  { signal, checkpoint: async () => undefined, progress: () => undefined },
);

const scorer = openScorer({ model, weights }, images, normalisation, 'none', count);
const answered = await scorer.logits(images, signal);
const started = performance.now();
let done = 0;
while (performance.now() - started < 3000) {
  await scorer.logits(images, signal);
  done += count;
}
const imagesPerSecond = (done * 1000) / (performance.now() - started);

const { onnx } = await runExport({ model, weights, size, channels, ...normalisation, calibration: images });
await writeFile(file, onnx);
await writeFile(weightsFile, weights);
const { median, p95 } = result.cost.latency;
const { macs } = estimateModelCost(model, { size, channels });
console.log(
  JSON.stringify({
    ...{ median, p95, imagesPerSecond, macs },
    logits: Array.from(answered.subarray(0, 7)),
    parameters: scorer.parameters,
    onnxBytes: onnx.length,
  }),
);
