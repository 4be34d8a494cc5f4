import { createHash } from 'node:crypto';
import type { SafetensorsTensor } from '../../src/files/safetensors.js';

// Inside Jest's sandbox a global costs a look-up each time; these loops run millions of times.
const { imul, sqrt } = Math;
const nothing = NaN;

/** The generator of fixtures/make-torchvision.py (described there), bit for bit. */
export function hashes(name: string, count: number): Uint32Array {
  let seed = 2166136261;
  for (const byte of new TextEncoder().encode(name)) seed = imul(seed ^ byte, 16777619);
  const values = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) {
    let h = (imul(i, 0x9e3779b9) + seed) >>> 0;
    h = imul(h ^ (h >>> 16), 0x85ebca6b);
    h = imul(h ^ (h >>> 13), 0xc2b2ae35);
    values[i] = h ^ (h >>> 16);
  }
  return values;
}

function transform(name: string, shape: readonly number[]): (unit: number) => number {
  if (name.endsWith('running_var')) return (unit) => 1 + unit / 2;
  if (name.endsWith('bias') || name.endsWith('running_mean')) return (unit) => unit / 8;
  if (shape.length === 1) return (unit) => 1 + unit / 4;
  const scale = sqrt(4.5 / shape.slice(1).reduce((a, b) => a * b, 1));
  return (unit) => unit * scale;
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Weights in torchvision's layout for the given names and shapes. */
export function generatedWeights(state: readonly [string, number[]][]): Record<string, SafetensorsTensor> {
  return Object.fromEntries(
    state.map(([name, shape]) => {
      const scaled = transform(name, shape);
      const units = hashes(name, size(shape));
      const data = new Float32Array(units.length);
      for (let i = 0; i < data.length; i += 1) data[i] = scaled((units[i] ?? nothing) / 2 ** 31 - 1);
      return [name, { dtype: 'F32', shape, data }];
    }),
  );
}

/** SHA-256 over the weights in the given order. */
export function weightsDigest(
  state: readonly [string, number[]][],
  weights: Record<string, SafetensorsTensor>,
): string {
  const digest = createHash('sha256');
  for (const [name] of state) {
    const data = weights[name]?.data;
    if (data) digest.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return digest.digest('hex');
}

/** Pixels 0..255, row-major [images, channels, size, size] as torch has them. */
export function generatedPixels(images: number, channels: number, side: number): Uint8Array {
  return Uint8Array.from(hashes('pixels', images * channels * side * side), (h) => h >>> 24);
}

export function generatedLabels(images: number, classes: number): Int32Array {
  return Int32Array.from(hashes('labels', images), (h) => h % classes);
}

/** [images, channels, side, side] to [images, side, side, channels]. */
export function channelsLast<T extends Uint8Array | Float32Array>(
  values: T,
  images: number,
  channels: number,
  side: number,
): T {
  const moved = values.slice() as T;
  const area = side * side;
  for (let image = 0; image < images; image += 1)
    for (let channel = 0; channel < channels; channel += 1)
      for (let pixel = 0; pixel < area; pixel += 1)
        moved[(image * area + pixel) * channels + channel] =
          values[(image * channels + channel) * area + pixel] ?? nothing;
  return moved;
}
