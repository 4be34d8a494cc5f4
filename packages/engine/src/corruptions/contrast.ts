import { toPixel, type Corruption } from './corruption.js';

/** Contrast: clip((x - mean) factor + mean), with the mean of each channel over the picture. */
export const contrast: Corruption<number> = ({ pixels, channels }, factor) => {
  const means = new Float64Array(channels);
  pixels.forEach((pixel, at) => {
    means[at % channels] = (means[at % channels] ?? 0) + pixel / 255;
  });
  return pixels.map((pixel, at) => {
    const mean = ((means[at % channels] ?? 0) * channels) / pixels.length;
    return toPixel((pixel / 255 - mean) * factor + mean);
  });
};
