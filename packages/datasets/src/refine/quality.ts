/** What makes a picture hard to see anything in; one entry for each picture. */
export interface Quality {
  /** Standard deviation of the greys, 0 to 255: what contrast there is. */
  contrast: Float64Array;
  /** Variance of the Laplacian (4 neighbours, inner pixels; Pech-Pacheco et al., ICPR 2000): small where blurred. */
  sharpness: Float64Array;
  /** Share of the pixels in the darkest or in the brightest sixteenth of the greys, whichever is larger. */
  exposure: Float64Array;
}

const dark = 16;
const bright = 240;

/** Scores pictures of size * size greys. */
export function pictureQuality(pixels: Uint8Array, size: number): Quality {
  const stride = size * size;
  const count = pixels.length / stride;
  const quality: Quality = {
    contrast: new Float64Array(count),
    sharpness: new Float64Array(count),
    exposure: new Float64Array(count),
  };
  const laplacian = new Float64Array((size - 2) * (size - 2));
  for (let image = 0; image < count; image++) {
    const picture = pixels.subarray(image * stride, (image + 1) * stride);
    let under = 0;
    let over = 0;
    for (const grey of picture) {
      if (grey < dark) under++;
      else if (grey >= bright) over++;
    }
    let at = 0;
    for (let y = 1; y < size - 1; y++) {
      for (let x = 1; x < size - 1; x++) {
        const centre = y * size + x;
        laplacian[at++] =
          (picture[centre - 1] as number) +
          (picture[centre + 1] as number) +
          (picture[centre - size] as number) +
          (picture[centre + size] as number) -
          4 * (picture[centre] as number);
      }
    }
    quality.contrast[image] = Math.sqrt(variance(picture));
    quality.sharpness[image] = variance(laplacian);
    quality.exposure[image] = Math.max(under, over) / stride;
  }
  return quality;
}

function variance(values: Uint8Array | Float64Array): number {
  let sum = 0;
  let squares = 0;
  // Whole numbers below 2^53: exact.
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return Math.max(0, squares / values.length - (sum / values.length) ** 2);
}
