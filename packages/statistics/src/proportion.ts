import type { Interval } from '@ferment/contracts';

/** Two-sided 95 % point of the standard normal distribution. */
const z = 1.959963984540054;

/**
 * 95 % score interval of a proportion (Wilson, JASA 1927): which shares could have given `hits` of `images`, where the
 * images are a sample. It says nothing of how another training would come out.
 *
 * @throws RangeError without images
 */
export function wilsonInterval(hits: number, images: number): Interval {
  if (images < 1) throw new RangeError(`wilsonInterval: expected at least one image, got ${images}`);
  const share = hits / images;
  const centre = share + (z * z) / (2 * images);
  const half = z * Math.sqrt((share * (1 - share)) / images + (z * z) / (4 * images * images));
  const scale = 1 + (z * z) / images;
  return { low: Math.max(0, (centre - half) / scale), high: Math.min(1, (centre + half) / scale) };
}
