import { multiply, subtract, type Tensor } from '../tensor/index.js';

/** How pixels (0 … 255) become a network's input; both in units of pixel / 255. */
export interface Normalisation {
  readonly mean: number;
  readonly std: number;
}

/** (pixels / 255 - mean) / std, as one factor and one offset. */
export function normalise(pixels: Tensor, { mean, std }: Normalisation): Tensor {
  return subtract(multiply(pixels, 1 / (255 * std)), mean / std);
}

/** (x - mean) / std of pictures whose pixels are in [0, 1], as attacks have them: one factor and one offset. */
export function normaliseUnit(x: Tensor, { mean, std }: Normalisation): Tensor {
  return subtract(multiply(x, 1 / std), mean / std);
}
