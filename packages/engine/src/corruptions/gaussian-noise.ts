import { toPixel, type Corruption } from './corruption.js';

/** Gaussian noise: clip(x + N(0, deviation²)) for every value of x in [0, 1]. */
export const gaussianNoise: Corruption<number> = ({ pixels }, deviation, random) =>
  pixels.map((pixel) => toPixel(pixel / 255 + deviation * random.normal()));
