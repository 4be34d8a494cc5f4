import type { SeriesBuckets } from '@ferment/contracts';

/**
 * The width of buckets: the least power of two by which the steps `from` to `to` fall into at most `resolution`
 * buckets. Bucket i holds the steps i width to (i + 1) width - 1, whatever the range, so that curves read by different
 * requests have the same edges.
 */
export function bucketWidth(from: number, to: number, resolution: number): number {
  let width = 1;
  while (Math.floor(to / width) - Math.floor(from / width) + 1 > resolution) width *= 2;
  return width;
}

/** A series' points: what is not finite is none. Steps rise. */
export interface SeriesPoints {
  step: ArrayLike<number>;
  values: ArrayLike<number>;
  /** Given back beside each point. */
  epoch?: ArrayLike<number>;
  time?: ArrayLike<number>;
}

/**
 * Minimum, maximum, mean and last value of each bucket that has points; where there are no more points than
 * `resolution`, the points themselves.
 */
export function bucketSeries(points: SeriesPoints, width: number, resolution: number): SeriesBuckets {
  const { step, values } = points;
  const found: number[] = [];
  for (let index = 0; index < step.length; index++) if (Number.isFinite(values[index])) found.push(index);
  if (found.length <= resolution) return exactly(points, found);
  // Places of each bucket's last point, and its figures.
  const at: number[] = [];
  const min: number[] = [];
  const max: number[] = [];
  const mean: number[] = [];
  let [bucket, count, sum] = [-1, 0, 0];
  for (const index of found) {
    const value = values[index] as number;
    const own = Math.floor((step[index] as number) / width);
    if (own !== bucket) {
      if (count > 0) mean.push(sum / count);
      [bucket, count, sum] = [own, 0, 0];
      at.push(index);
      min.push(value);
      max.push(value);
    }
    const last = at.length - 1;
    at[last] = index;
    if (value < (min[last] as number)) min[last] = value;
    if (value > (max[last] as number)) max[last] = value;
    count += 1;
    sum += value;
  }
  mean.push(sum / count);
  return { ...exactly(points, at), of: found.length, exact: false, min, max, mean };
}

function exactly({ step, values, epoch, time }: SeriesPoints, at: readonly number[]): SeriesBuckets {
  const pick = (from: ArrayLike<number>): number[] => at.map((index) => from[index] as number);
  return {
    of: at.length,
    shown: at.length,
    exact: true,
    step: pick(step),
    last: pick(values),
    ...(epoch && { epoch: pick(epoch) }),
    ...(time && { time: pick(time) }),
  };
}
