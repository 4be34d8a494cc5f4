import type { Corruption } from './corruption.js';

/** Pillow's fixed-point precision for 8-bit pictures. */
const precision = 2 ** 22;

/** For each output place of one direction: the first input place, and the whole-number weights from there on. */
function boxWeights(from: number, to: number): { first: number; weights: number[] }[] {
  const scale = from / to;
  const filterScale = Math.max(1, scale);
  const support = 0.5 * filterScale;
  return Array.from({ length: to }, (_, at) => {
    const centre = (at + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - support + 0.5));
    const last = Math.min(from, Math.trunc(centre + support + 0.5));
    const raw = Array.from({ length: last - first }, (_item, index) => {
      const place = (index + first - centre + 0.5) / filterScale;
      return place > -0.5 && place <= 0.5 ? 1 : 0;
    });
    const total = raw.reduce<number>((sum, weight) => sum + weight, 0);
    return { first, weights: raw.map((weight) => Math.trunc(0.5 + (weight / total) * precision)) };
  });
}

/** One direction of a resize: `stride` between neighbours, `lines` of them beside each other. */
function resizeRows(
  pixels: Uint8Array,
  rows: number,
  width: number,
  channels: number,
  to: number,
): Uint8Array {
  const places = boxWeights(width, to);
  const result = new Uint8Array(rows * to * channels);
  for (let row = 0; row < rows; row += 1)
    places.forEach(({ first, weights }, column) => {
      for (let channel = 0; channel < channels; channel += 1) {
        const sum = weights.reduce(
          (total, weight, index) =>
            total + weight * (pixels[(row * width + first + index) * channels + channel] ?? 0),
          precision / 2,
        );
        result[(row * to + column) * channels + channel] = Math.min(255, Math.floor(sum / precision));
      }
    });
  return result;
}

function transposed(pixels: Uint8Array, rows: number, columns: number, channels: number): Uint8Array {
  const result = new Uint8Array(pixels.length);
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1) {
      const from = (row * columns + column) * channels;
      result.set(pixels.subarray(from, from + channels), (column * rows + row) * channels);
    }
  return result;
}

/** Pillow's resize with Image.BOX of a square picture, bit for bit: along the rows, then along the columns. */
function resizeBox(pixels: Uint8Array, from: number, to: number, channels: number): Uint8Array {
  const wide = resizeRows(pixels, from, from, channels, to);
  const turned = transposed(wide, from, to, channels);
  return transposed(resizeRows(turned, to, from, channels, to), to, to, channels);
}

/** Pixelate: shrunk to `part` of its side and enlarged again, both by Pillow's box filter. */
export const pixelate: Corruption<number> = ({ pixels, size, channels }, part) => {
  const small = Math.trunc(size * part);
  return resizeBox(resizeBox(pixels, size, small, channels), small, size, channels);
};
