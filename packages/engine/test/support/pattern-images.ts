import type { ImageSet } from '@ferment/datasets';
import { randomStream } from '../../src/random/index.js';

/** Noisy stripes whose direction and pitch tell the class: learnable within a few updates. */
export function patternImages(count: number, size: number, seed: number, channels = 1): ImageSet {
  const random = randomStream(seed, 'pattern');
  const pixels = new Uint8Array(count * size * size * channels);
  const labels = new Int32Array(count);
  let at = 0;
  for (let image = 0; image < count; image++) {
    const label = image % 7;
    labels[image] = label;
    for (let y = 0; y < size; y++)
      for (let x = 0; x < size; x++) {
        const wave = Math.sin((x * ((label % 3) + 1) + y * (label % 4)) / 4);
        const value = 128 + 60 * wave + 80 * (random.uniform() - 0.5);
        for (let channel = 0; channel < channels; channel++)
          pixels[at++] = Math.min(255, Math.max(0, Math.round(value)));
      }
  }
  return { pixels, labels, count, size, channels };
}
