import type { CurveBuckets, MetricRow } from '@ferment/contracts';
import { figure } from './format';

export type Axis = 'epoch' | 'step' | 'time';

/**
 * Points of one series of one job, by columns in the order of steps: each the values of one step, or the mean, least
 * and greatest of a stretch of steps with the place of its last one.
 */
export interface Series {
  readonly step: readonly number[];
  readonly epoch: readonly number[];
  /** Milliseconds since 1970; the first point of the whole series was at `start`. */
  readonly start: number;
  readonly time: readonly number[];
  readonly mean: readonly number[];
  readonly min: readonly number[];
  readonly max: readonly number[];
  /** Points that these stand for; as many as there are here where they are the points themselves. */
  readonly of: number;
}

const none: Series = { start: 0, step: [], epoch: [], time: [], mean: [], min: [], max: [], of: 0 };

/** As the API answers it; a job without the series has no points. */
export function seriesFrom(found: CurveBuckets['curves'][number]['series'][string] | undefined): Series {
  if (!found) return none;
  const { of, step, last, min = last, max = last, mean = last, epoch = step, time = step } = found;
  return { of, start: time[0] ?? 0, step, epoch, time, mean, min, max };
}

/** With the rows' own values of the series; what is not finite is no point. */
export function appended(series: Series, rows: readonly MetricRow[], name: string): Series {
  const points = rows.flatMap(({ step, epoch, time, values }) => {
    const value = values[name];
    return typeof value === 'number' && Number.isFinite(value) ? [{ step, epoch, time, value }] : [];
  });
  if (points.length === 0) return series;
  const values = points.map(({ value }) => value);
  return {
    start: series.step.length === 0 ? (points[0]?.time ?? 0) : series.start,
    step: [...series.step, ...points.map(({ step }) => step)],
    epoch: [...series.epoch, ...points.map(({ epoch }) => epoch)],
    time: [...series.time, ...points.map(({ time }) => time)],
    mean: [...series.mean, ...values],
    min: [...series.min, ...values],
    max: [...series.max, ...values],
    of: series.of + points.length,
  };
}

/** Without what comes at `step` or later; null where a stretch that is kept whole may have had some of it. */
export function truncated(series: Series, step: number): Series | null {
  const last = series.step.at(-1);
  if (last === undefined || last < step) return series;
  if (series.of > series.step.length) return null;
  const at = series.step.findIndex((own) => own >= step);
  const cut = (values: readonly number[]): number[] => values.slice(0, at);
  return {
    start: series.start,
    step: cut(series.step),
    epoch: cut(series.epoch),
    time: cut(series.time),
    mean: cut(series.mean),
    min: cut(series.min),
    max: cut(series.max),
    of: at,
  };
}

export const axisTitles: Readonly<Record<Axis, string>> = {
  epoch: 'epoch',
  step: 'step',
  time: 'minutes since the first point',
};

/** Along what axis, as a number's unit. */
export const axisFigure = (axis: Axis, value: number | undefined): string =>
  axis === 'time' ? `${figure(value, 1)} min` : `${axis} ${figure(value, axis === 'step' ? 0 : 2)}`;
