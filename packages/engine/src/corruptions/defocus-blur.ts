import { toPixel, type Corruption } from './corruption.js';

/** Half the side of the grid that the disk is drawn on. */
const reach = 8;
const side = 2 * reach + 1;

/** OpenCV's reflection without the edge itself: dcb|abcd|cba. */
function reflected(index: number, size: number): number {
  const inside = Math.abs(index);
  return inside < size ? inside : 2 * (size - 1) - inside;
}

/** A 3-tap Gaussian, as OpenCV's getGaussianKernel makes it. */
function gaussian3(sigma: number): [number, number, number] {
  const edge = Math.exp(-1 / (2 * sigma * sigma));
  return [edge / (1 + 2 * edge), 1 / (1 + 2 * edge), edge / (1 + 2 * edge)];
}

/** The disk of `radius` around the middle of the grid, of sum 1, its edge softened by a 3 x 3 Gaussian of `alias`. */
function disk(radius: number, alias: number): Float64Array {
  const drawn = Float64Array.from({ length: side * side }, (_, at) => {
    const [y, x] = [Math.floor(at / side) - reach, (at % side) - reach];
    return x * x + y * y <= radius * radius ? 1 : 0;
  });
  const total = drawn.reduce((sum, value) => sum + value, 0);
  const taps = gaussian3(alias);
  const smoothed = (values: Float64Array, stepX: number, stepY: number) =>
    values.map((_, at) =>
      taps.reduce((sum, tap, index) => {
        const y = reflected(Math.floor(at / side) + (index - 1) * stepY, side);
        const x = reflected((at % side) + (index - 1) * stepX, side);
        return sum + tap * (values[y * side + x] ?? 0);
      }, 0),
    );
  // float32, as the original's kernel: nine ninths must not add up to less than one, where results are cut off.
  return smoothed(smoothed(drawn, 1, 0), 0, 1).map((value) => Math.fround(value / total));
}

/**
 * Defocus blur: correlation with a disk of `radius` pixels whose edge a Gaussian of sigma `alias` softens, reflected at
 * the border.
 */
export const defocusBlur: Corruption<readonly [number, number]> = (
  { pixels, size, channels },
  [radius, alias],
) => {
  const kernel = disk(radius, alias);
  const taps = Array.from(kernel, (weight, at) => ({
    weight,
    y: Math.floor(at / side) - reach,
    x: (at % side) - reach,
  })).filter(({ weight }) => weight !== 0);
  return pixels.map((_, at) => {
    const channel = at % channels;
    const place = Math.floor(at / channels);
    const [row, column] = [Math.floor(place / size), place % size];
    let sum = 0;
    for (const { weight, y, x } of taps) {
      const from = reflected(row + y, size) * size + reflected(column + x, size);
      sum += weight * (pixels[from * channels + channel] ?? 0);
    }
    return toPixel(sum / 255);
  });
};
