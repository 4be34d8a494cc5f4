// Runs a TensorFlow.js graph model on the plain JavaScript backend, in a process of its own: what the engine loads of
// TensorFlow.js stays apart from it. node run-tfjs.mjs FOLDER PIXELS SHAPES (pixels: one byte each, enough for the
// largest shape; shapes as JSON) prints { metadata, inputs, answers: [{ shape, logits }] }.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';

const [folder, pixels, shapes] = process.argv.slice(2);
const model = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
const { modelTopology, signature, userDefinedMetadata, weightsManifest, format } = model;
const weights = Buffer.concat(
  weightsManifest.flatMap(({ paths }) => paths.map((path) => readFileSync(join(folder, path)))),
);
await tf.setBackend('cpu');
const graph = await tf.loadGraphModel({
  load: async () => ({
    ...{ modelTopology, signature, userDefinedMetadata, format },
    weightSpecs: weightsManifest.flatMap((group) => group.weights),
    weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length),
  }),
});
const bytes = readFileSync(pixels);
const answers = JSON.parse(shapes).map((shape) => {
  const size = shape.reduce((a, b) => a * b, 1);
  const logits = graph.predict({ pixels: tf.tensor(Float32Array.from(bytes.subarray(0, size)), shape) });
  return { shape: logits.shape, logits: Array.from(logits.dataSync()) };
});
const inputs = graph.inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
process.stdout.write(JSON.stringify({ metadata: graph.metadata, inputs, answers }));
