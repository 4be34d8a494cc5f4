// Accuracy and latency of an ONNX file in onnxruntime: one turn of bench/quantise.mjs. Prints one JSON line.
// Arguments: ONNX file, pixels and labels (one byte each), pixels on a side, channels, threads.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [file, pixelFile, labelFile, ...rest] = process.argv.slice(2);
const [size, channels, threads] = rest.map(Number);
const session = await InferenceSession.create(file, {
  logSeverityLevel: 3,
  intraOpNumThreads: threads,
});
const [pixels, labels] = [readFileSync(pixelFile), readFileSync(labelFile)];
const values = channels * size * size;
const input = (start, count) =>
  new Tensor('float32', Float32Array.from(pixels.subarray(start * values, (start + count) * values)), [
    count,
    channels,
    size,
    size,
  ]);

const predictions = [];
const batch = 64;
let milliseconds = 0;
for (let start = 0; start < labels.length; start += batch) {
  const count = Math.min(batch, labels.length - start);
  const feeds = { pixels: input(start, count) };
  const before = performance.now();
  const { logits } = await session.run(feeds);
  milliseconds += performance.now() - before;
  for (let row = 0; row < count; row += 1) {
    const classes = Array.from(logits.data.subarray(row * logits.dims[1], (row + 1) * logits.dims[1]));
    predictions.push(classes.indexOf(Math.max(...classes)));
  }
}
const times = [];
const one = { pixels: input(0, 1) };
for (let run = 0; run < 220; run += 1) {
  const before = performance.now();
  await session.run(one);
  if (run >= 20) times.push(performance.now() - before);
}
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
console.log(
  JSON.stringify({
    accuracy: predictions.filter((prediction, at) => prediction === labels[at]).length / labels.length,
    predictions,
    latency: times.toSorted((a, b) => a - b)[times.length / 2],
    imagesPerSecond: (1000 * labels.length) / milliseconds,
    version: `onnxruntime-node ${version}`,
  }),
);
