// Inference by onnxruntime: one turn of bench/inference.mjs. Prints one JSON line.
// Arguments: ONNX file, pixels on a side, channels, threads.
import { createRequire } from 'node:module';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [file, ...rest] = process.argv.slice(2);
const [size, channels, threads] = rest.map(Number);
const session = await InferenceSession.create(file, { logSeverityLevel: 3, intraOpNumThreads: threads });
const pixels = (batch) =>
  new Tensor(
    'float32',
    Float32Array.from({ length: batch * channels * size * size }, (_, at) => (at * 7919) % 251),
    [batch, channels, size, size],
  );

async function timed(batch, milliseconds, warmUp, fewest) {
  const input = pixels(batch);
  for (let run = 0; run < warmUp; run += 1) await session.run({ pixels: input });
  const times = [];
  const started = performance.now();
  while (performance.now() - started < milliseconds || times.length < fewest) {
    const before = performance.now();
    await session.run({ pixels: input });
    times.push(performance.now() - before);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const quantile = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return { median: quantile(0.5), p95: quantile(0.95), mean: times.reduce((a, b) => a + b) / times.length };
}

const one = await timed(1, 2000, 20, 20);
const many = await timed(64, 3000, 1, 2);
const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
console.log(
  JSON.stringify({
    ...{ median: one.median, p95: one.p95 },
    imagesPerSecond: (64 * 1000) / many.mean,
    version: `onnxruntime-node ${version}`,
  }),
);
