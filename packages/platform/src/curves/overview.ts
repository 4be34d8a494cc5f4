import type { SeriesBuckets } from '@ferment/contracts';
import { z } from 'zod';
import { bucketSeries, bucketWidth } from './buckets.js';
import type { CurveColumns } from './columns.js';

/** Buckets of a series at most: what a page shows of many curves, without reading their rows. */
export const overviewBuckets = 512;

/** What stands in a curve's file about its overview, in the footer. */
export const overviewDirectory = z.object({
  /** First and last step of the curve. */
  first: z.int(),
  last: z.int(),
  /** Steps of a bucket, a power of two. */
  width: z.int(),
  /** By series: how many points they stand for, how many rows the overview has, and from which byte of it on. */
  series: z.record(z.string(), z.object({ of: z.int(), rows: z.int(), at: z.int() })),
});
export type OverviewDirectory = z.output<typeof overviewDirectory>;

const columns = ['step', 'last', 'min', 'max', 'mean', 'count', 'epoch', 'time'] as const;
type ColumnName = (typeof columns)[number];

/** A series' rows: its points where there are no more than {@link overviewBuckets}, else buckets. */
export interface SeriesOverview extends Readonly<Record<ColumnName, Float64Array>> {
  readonly of: number;
}

/** Bytes of one series: eight columns of doubles, one after the other. */
export const overviewBytes = (rows: number): number => rows * columns.length * 8;

/** Directory and bytes of a curve's overview. */
export function overviewOf(curve: CurveColumns): { directory: OverviewDirectory; bytes: Uint8Array } {
  const [first, last] = [curve.step[0] ?? 0, curve.step.at(-1) ?? 0];
  const width = bucketWidth(first, last, overviewBuckets);
  const series: OverviewDirectory['series'] = {};
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const [name, { values }] of curve.series) {
    const { step, epoch, time } = curve;
    const found = bucketSeries({ step, values, epoch, time }, width, overviewBuckets);
    const rows = found.step.length;
    const { of, last: ends, min = ends, max = ends, mean = ends } = found;
    const all: Record<ColumnName, readonly number[]> = {
      ...{ step: found.step, last: ends, min, max, mean },
      count: found.exact ? found.step.map(() => 1) : countsOf(curve.step, values, found.step, width),
      ...{ epoch: found.epoch ?? [], time: found.time ?? [] },
    };
    const bytes = new Float64Array(rows * columns.length);
    columns.forEach((column, index) => bytes.set(all[column], index * rows));
    series[name] = { of, rows, at };
    parts.push(new Uint8Array(bytes.buffer));
    at += bytes.byteLength;
  }
  return { directory: { first, last, width, series }, bytes: Buffer.concat(parts) };
}

/** Points of each bucket, in the order of the buckets' last steps. */
function countsOf(step: Int32Array, values: Float64Array, ends: readonly number[], width: number): number[] {
  const counts = new Map<number, number>();
  for (let index = 0; index < step.length; index++) {
    if (!Number.isFinite(values[index])) continue;
    const bucket = Math.floor((step[index] ?? 0) / width);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  return ends.map((end) => counts.get(Math.floor(end / width)) ?? 0);
}

/** The opposite of {@link overviewOf}, for one series. */
export function seriesOverview(bytes: ArrayBuffer, of: number): SeriesOverview {
  const rows = bytes.byteLength / columns.length / 8;
  const column = (name: ColumnName): Float64Array =>
    new Float64Array(bytes, columns.indexOf(name) * rows * 8, rows);
  return {
    of,
    ...{ step: column('step'), last: column('last'), min: column('min'), max: column('max') },
    ...{ mean: column('mean'), count: column('count'), epoch: column('epoch'), time: column('time') },
  };
}

/**
 * Buckets of a series as {@link bucketSeries} makes them from all of its points, means but for rounding; null where the
 * overview is not fine enough.
 *
 * @param own the overview's width
 */
export function bucketsOfOverview(
  series: SeriesOverview,
  own: number,
  { width, resolution, axes }: { width: number; resolution: number; axes: readonly ('epoch' | 'time')[] },
): SeriesBuckets | null {
  const { of, step, last } = series;
  const beside = Object.fromEntries(axes.map((axis) => [axis, series[axis]]));
  if (of === step.length) return bucketSeries({ step, values: last, ...beside }, width, resolution);
  if (of <= resolution || width < own) return null;
  const ends: number[] = [];
  const min: number[] = [];
  const max: number[] = [];
  const mean: number[] = [];
  let [bucket, sum, count] = [-1, 0, 0];
  for (let index = 0; index < step.length; index++) {
    const at = Math.floor((step[index] ?? 0) / width);
    if (at !== bucket) {
      if (bucket !== -1) mean.push(sum / count);
      [bucket, sum, count] = [at, 0, 0];
      ends.push(index);
      min.push(Infinity);
      max.push(-Infinity);
    }
    const place = ends.length - 1;
    ends[place] = index;
    min[place] = Math.min(min[place] ?? Infinity, series.min[index] ?? Infinity);
    max[place] = Math.max(max[place] ?? -Infinity, series.max[index] ?? -Infinity);
    sum += (series.mean[index] ?? 0) * (series.count[index] ?? 0);
    count += series.count[index] ?? 0;
  }
  if (bucket !== -1) mean.push(sum / count);
  const pick = (from: Float64Array): number[] => ends.map((index) => from[index] ?? 0);
  return {
    ...{ of, shown: ends.length, exact: false },
    ...{ step: pick(step), last: pick(last), min, max, mean },
    ...(axes.includes('epoch') && { epoch: pick(series.epoch) }),
    ...(axes.includes('time') && { time: pick(series.time) }),
  };
}
