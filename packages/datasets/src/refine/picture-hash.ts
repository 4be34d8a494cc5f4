import { taps, type Taps } from '../resize.js';

export const pictureHashMethods = ['phash', 'dhash'] as const;
export type PictureHashMethod = (typeof pictureHashMethods)[number];

/**
 * Hashes of 64 bits that stay nearly the same where a picture changes a little.
 *
 * `phash`: the picture at 32 x 32, its two-dimensional DCT-II, of that the 8 x 8 lowest frequencies; a bit is set
 * where a coefficient is at least the median of all but the constant one. `dhash`: the picture at 9 x 8; a bit is set
 * where a pixel is brighter than the one to its left. Bits run row by row, the first one the highest.
 *
 * @param pixels count pictures of size * size greys
 * @param size   side of a picture in pixels
 * @returns two words for each picture, the high half first
 */
export function pictureHashes(pixels: Uint8Array, size: number, method: PictureHashMethod): Uint32Array {
  const hashOf = method === 'phash' ? pHash(size) : dHash(size);
  const count = pixels.length / (size * size);
  const words = new Uint32Array(2 * count);
  for (let image = 0; image < count; image++) {
    hashOf(pixels.subarray(image * size * size, (image + 1) * size * size)).forEach((bit, index) => {
      const word = 2 * image + (index >>> 5);
      if (bit) words[word] = (words[word] as number) | (1 << (31 - (index & 31)));
    });
  }
  return words;
}

/** One hash as text: 16 hexadecimal digits. */
export function hashText(words: Uint32Array, image: number): string {
  return [words[2 * image] as number, words[2 * image + 1] as number]
    .map((word) => word.toString(16).padStart(8, '0'))
    .join('');
}

type HashOf = (picture: Uint8Array) => boolean[];

const side = 32;
const lowest = 8;
/** Coefficients nearer to zero than this are zero: a flat picture's would be rounding errors. */
const negligible = 1e-6;

function pHash(size: number): HashOf {
  const shrink = shrinker(size, side, side);
  const cosines = Float64Array.from({ length: lowest * side }, (_, index) =>
    Math.cos((Math.PI * Math.floor(index / side) * (2 * (index % side) + 1)) / (2 * side)),
  );
  const rows = new Float64Array(lowest * side);
  const coefficients = new Float64Array(lowest * lowest);
  return (picture) => {
    const small = shrink(picture);
    for (let v = 0; v < lowest; v++) {
      for (let x = 0; x < side; x++) {
        let sum = 0;
        for (let y = 0; y < side; y++)
          sum += (cosines[v * side + y] as number) * (small[y * side + x] as number);
        rows[v * side + x] = sum;
      }
    }
    for (let v = 0; v < lowest; v++) {
      for (let u = 0; u < lowest; u++) {
        let sum = 0;
        for (let x = 0; x < side; x++)
          sum += (cosines[u * side + x] as number) * (rows[v * side + x] as number);
        coefficients[v * lowest + u] = Math.abs(sum) < negligible ? 0 : sum;
      }
    }
    const median = coefficients.slice(1).sort()[(lowest * lowest - 2) / 2] as number;
    return Array.from(coefficients, (coefficient) => coefficient >= median);
  };
}

function dHash(size: number): HashOf {
  const shrink = shrinker(size, 9, 8);
  return (picture) => {
    const small = shrink(picture);
    return Array.from({ length: 64 }, (_, bit) => {
      const left = Math.floor(bit / 8) * 9 + (bit % 8);
      return (small[left + 1] as number) - (small[left] as number) > negligible;
    });
  };
}

/** As `resizer`, to any width and height, not rounded. */
function shrinker(size: number, width: number, height: number): (picture: Uint8Array) => Float64Array {
  const across = taps(size, width);
  const down = taps(size, height);
  const rows = new Float64Array(size * width);
  const result = new Float64Array(width * height);
  return (picture) => {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < width; x++) rows[y * width + x] = weighed(picture, across, x, y * size, 1);
    }
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) result[y * width + x] = weighed(rows, down, y, x, width);
    }
    return result;
  };
}

function weighed(
  values: Uint8Array | Float64Array,
  { first, weights }: Taps,
  target: number,
  offset: number,
  step: number,
): number {
  const own = weights[target] as Float64Array;
  let at = offset + (first[target] as number) * step;
  let sum = 0;
  for (let k = 0; k < own.length; k++, at += step) sum += (own[k] as number) * (values[at] as number);
  return sum;
}
