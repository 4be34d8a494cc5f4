import type { Axis, Series } from './series';

/** One training's curves, and the group (variant, stage …) it is drawn in. */
export interface Run {
  readonly job: string;
  readonly label: string;
  readonly group: string;
  /** Undefined where it has no such series, or not yet. */
  readonly series: (name: string) => Series | undefined;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

type Values = readonly (number | null)[];
export interface Band {
  readonly low: Values;
  readonly high: Values;
}

/** A group's runs on the common grid: their mean, and two bands over the runs that reached each x. */
export interface GroupCurve {
  readonly group: string;
  readonly runs: readonly { readonly label: string; readonly values: Values }[];
  readonly mean: Values;
  /** From the lowest to the highest run. */
  readonly range: Band;
  /** 95 % interval of the mean, by Student's t over the runs; the mean itself where there is one run. */
  readonly interval: Band;
}

export interface GroupedCurves {
  readonly xs: readonly number[];
  readonly groups: readonly GroupCurve[];
  /** Points that are drawn, and those that they stand for. */
  readonly shown: number;
  readonly of: number;
}

/** Most points drawn along one axis; more are averaged in equal stretches. */
const mostPoints = 400;

/** Series in the order in which they are offered: validation first, figures of classes last. */
export function inOrder(names: readonly string[]): string[] {
  const rank = (name: string) => (name.startsWith('validation.') ? 0 : 1) + (name.includes('.f1.') ? 2 : 0);
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** A series' points along an axis; time is in minutes since its first one. */
export function pointsOf(series: Series, axis: Axis): Point[] {
  const xs = placesOf(series, axis);
  return series.mean.map((y, index) => ({ x: xs[index] ?? 0, y }));
}

const placesOf = (series: Series, axis: Axis): readonly number[] =>
  axis === 'time' ? series.time.map((at) => (at - series.start) / 60_000) : series[axis];

/**
 * The steps of a stretch of an axis, over one series of several runs, a point further on both sides; null where none of
 * them has any of it.
 */
export function stepsWithin(
  runs: readonly Run[],
  name: string,
  axis: Axis,
  [low, high]: readonly [number, number],
): [number, number] | null {
  let [first, last] = [Infinity, -Infinity];
  for (const run of runs) {
    const series = run.series(name);
    if (!series) continue;
    const places = placesOf(series, axis);
    const from = places.findIndex((at) => at >= low);
    const to = places.findLastIndex((at) => at <= high);
    if (from === -1 || to === -1) continue;
    first = Math.min(first, series.step[Math.max(0, Math.min(from, to) - 1)] ?? 0);
    last = Math.max(last, series.step[Math.min(series.step.length - 1, Math.max(from, to) + 1)] ?? 0);
  }
  return first > last ? null : [first, last];
}

/**
 * Exponential moving average with debiasing (as in Adam): smoothing 0 changes nothing, towards 1 is smoother.
 */
export function smooth(points: readonly Point[], smoothing: number): readonly Point[] {
  if (smoothing === 0) return points;
  let average = 0;
  let weight = 0;
  return points.map(({ x, y }) => {
    average = smoothing * average + (1 - smoothing) * y;
    weight = smoothing * weight + (1 - smoothing);
    return { x, y: average / weight };
  });
}

export interface Drawing {
  readonly axis: Axis;
  readonly smoothing: number;
  /** Only this stretch of the axis. */
  readonly zoom?: readonly [number, number] | null;
}

/** Runs of one series brought onto one grid, grouped, with means and bands. */
export function groupCurves(
  runs: readonly Run[],
  name: string,
  { axis, smoothing, zoom = null }: Drawing,
): GroupedCurves {
  let [shown, of] = [0, 0];
  const drawn = runs.flatMap((run) => {
    const series = run.series(name);
    if (!series || series.step.length === 0) return [];
    shown += series.step.length;
    of += series.of;
    const all = smooth(pointsOf(series, axis), smoothing);
    const points = zoom === null ? all : all.filter(({ x }) => x >= zoom[0] && x <= zoom[1]);
    return points.length === 0 ? [] : [{ run, points }];
  });
  const width = bucketWidth(
    drawn.map(({ points }) => points),
    axis,
  );
  const place = (x: number) => (width === 0 ? x : (Math.floor(x / width) + 0.5) * width);
  const xs = [...new Set(drawn.flatMap(({ points }) => points.map(({ x }) => place(x))))].sort(
    (a, b) => a - b,
  );
  const position = new Map(xs.map((x, index) => [x, index]));
  const onGrid = (points: readonly Point[]): Values => {
    const sums = xs.map(() => 0);
    const counts = xs.map(() => 0);
    for (const { x, y } of points) {
      const index = position.get(place(x)) ?? 0;
      sums[index] = (sums[index] ?? 0) + y;
      counts[index] = (counts[index] ?? 0) + 1;
    }
    return sums.map((sum, index) => (counts[index] ? sum / (counts[index] ?? 1) : null));
  };
  const groups = [...new Set(drawn.map(({ run }) => run.group))].map((group): GroupCurve => {
    const members = drawn
      .filter(({ run }) => run.group === group)
      .map(({ run, points }) => ({ label: run.label, values: onGrid(points) }));
    return { group, runs: members, ...overRuns(members.map(({ values }) => values)) };
  });
  return { xs, groups, shown, of };
}

/** Mean and bands at each place, over the runs that have a value there. */
function overRuns(runs: readonly Values[]): Pick<GroupCurve, 'mean' | 'range' | 'interval'> {
  const mean: (number | null)[] = [];
  const range = { low: [] as (number | null)[], high: [] as (number | null)[] };
  const interval = { low: [] as (number | null)[], high: [] as (number | null)[] };
  for (let at = 0; at < (runs[0]?.length ?? 0); at += 1) {
    const values = runs.flatMap((run) => run[at] ?? []);
    const average =
      values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
    mean.push(average);
    range.low.push(average === null ? null : Math.min(...values));
    range.high.push(average === null ? null : Math.max(...values));
    const half = average === null ? 0 : halfWidth(values, average);
    interval.low.push(average === null ? null : average - half);
    interval.high.push(average === null ? null : average + half);
  }
  return { mean, range, interval };
}

/** Of the 95 % interval of a mean: t of n - 1 degrees of freedom times s / sqrt(n). */
function halfWidth(values: readonly number[], mean: number): number {
  const n = values.length;
  if (n < 2) return 0;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return student975(n - 1) * Math.sqrt(squares / (n - 1) / n);
}

/** Upper 2.5 % points of Student's t for 1 to 10 degrees of freedom, exact to the digits that are here. */
const smallStudent = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281,
] as const;

/**
 * The upper 2.5 % point of Student's t: from 11 degrees of freedom on by the expansion around the normal's (Abramowitz
 * and Stegun, 26.7.5), right to 0.0001.
 */
export function student975(degrees: number): number {
  const small = smallStudent[degrees - 1];
  if (small !== undefined) return small;
  const z = 1.959963985;
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + first / degrees + second / degrees ** 2 + third / degrees ** 3;
}

/**
 * Zero where the longest run fits as it is; otherwise the stretch of x that one drawn point stands for. Runs have no
 * moments in common: along time there are no more stretches than the longest one has points.
 */
function bucketWidth(series: readonly (readonly Point[])[], axis: Axis): number {
  const most = Math.max(0, ...series.map((points) => points.length));
  if (most <= mostPoints && (axis !== 'time' || series.length < 2)) return 0;
  let [first, last] = [Infinity, 0];
  for (const points of series) {
    first = Math.min(first, points[0]?.x ?? first);
    last = Math.max(last, points.at(-1)?.x ?? 0);
  }
  return (last - first) / Math.min(mostPoints, most);
}

/** Share of the values on either side that an axis without its outliers may leave out. */
const outlying = 0.02;

/**
 * Ends of a vertical axis that leave out outliers: the middle 96 % of the values and a tenth as much around them. Null
 * where there are too few values to tell.
 */
export function middleRange(lines: readonly Values[]): [number, number] | null {
  const values = lines.flatMap((line) => line.filter((value) => value !== null)).sort((a, b) => a - b);
  if (values.length < 20) return null;
  const skipped = Math.floor(outlying * values.length);
  const low = values[skipped] ?? 0;
  const high = values[values.length - 1 - skipped] ?? 0;
  const margin = 0.1 * (high - low) || Math.abs(high) * 0.1 || 1;
  return [low - margin, high + margin];
}
