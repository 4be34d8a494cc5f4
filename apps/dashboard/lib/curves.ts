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

/** A stretch of one run's points, by columns. */
interface Drawn {
  run: Run;
  xs: readonly number[];
  ys: readonly number[];
  /** Index of the first, and after the last. */
  from: number;
  to: number;
}

/** Runs of one series brought onto one grid, grouped, with means and bands. */
export function groupCurves(
  runs: readonly Run[],
  name: string,
  { axis, smoothing, zoom = null }: Drawing,
): GroupedCurves {
  let [shown, of] = [0, 0];
  const drawn = runs.flatMap((run): Drawn[] => {
    const series = run.series(name);
    if (!series || series.step.length === 0) return [];
    shown += series.step.length;
    of += series.of;
    const { xs, ys } = placed(series, axis, smoothing);
    const from = zoom === null ? 0 : firstFrom(xs, zoom[0]);
    const to = zoom === null ? xs.length : firstAfter(xs, zoom[1]);
    return from >= to ? [] : [{ run, xs, ys, from, to }];
  });
  const { xs, indexOf } = gridOf(drawn, axis);
  const onGrid = ({ xs: places, ys, from, to }: Drawn): Values => {
    const sums = new Float64Array(xs.length);
    const counts = new Uint32Array(xs.length);
    for (let at = from; at < to; at += 1) {
      const index = indexOf(places[at] ?? 0);
      sums[index] = (sums[index] ?? 0) + (ys[at] ?? 0);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    return Array.from(sums, (sum, index) => (counts[index] ? sum / (counts[index] ?? 1) : null));
  };
  const groups = [...new Set(drawn.map(({ run }) => run.group))].map((group): GroupCurve => {
    const members = drawn
      .filter(({ run }) => run.group === group)
      .map((one) => ({ label: one.run.label, values: onGrid(one) }));
    return { group, runs: members, ...overRuns(members.map(({ values }) => values)) };
  });
  return { xs, groups, shown, of };
}

/** Of each series, as it was asked for last: a stretch that is moved along asks with every frame. */
const placedBefore = new WeakMap<
  Series,
  { axis: Axis; smoothing: number; xs: readonly number[]; ys: readonly number[] }
>();

function placed(series: Series, axis: Axis, smoothing: number) {
  const before = placedBefore.get(series);
  if (before?.axis === axis && before.smoothing === smoothing) return before;
  const points = smooth(pointsOf(series, axis), smoothing);
  const found = { axis, smoothing, xs: points.map(({ x }) => x), ys: points.map(({ y }) => y) };
  placedBefore.set(series, found);
  return found;
}

/** Index of the first that is not below `low`; places rise. */
function firstFrom(places: readonly number[], low: number): number {
  let [from, to] = [0, places.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((places[middle] ?? 0) < low) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** Index of the first that is above `high`. */
function firstAfter(places: readonly number[], high: number): number {
  let at = firstFrom(places, high);
  while (at < places.length && (places[at] ?? 0) <= high) at += 1;
  return at;
}

/** Places that all runs have in common, and which of them a place falls to. */
function gridOf(
  drawn: readonly Drawn[],
  axis: Axis,
): { xs: readonly number[]; indexOf: (x: number) => number } {
  const width = bucketWidth(drawn, axis);
  const taken = new Set<number>();
  for (const { xs, from, to } of drawn)
    for (let at = from; at < to; at += 1) {
      const x = xs[at] ?? 0;
      taken.add(width === 0 ? x : Math.floor(x / width));
    }
  const cells = [...taken].sort((a, b) => a - b);
  const position = new Map(cells.map((cell, index) => [cell, index]));
  return {
    xs: width === 0 ? cells : cells.map((cell) => (cell + 0.5) * width),
    indexOf: (x) => position.get(width === 0 ? x : Math.floor(x / width)) ?? 0,
  };
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
function bucketWidth(drawn: readonly Drawn[], axis: Axis): number {
  const most = Math.max(0, ...drawn.map(({ from, to }) => to - from));
  if (most <= mostPoints && (axis !== 'time' || drawn.length < 2)) return 0;
  let [first, last] = [Infinity, 0];
  for (const { xs, from, to } of drawn) {
    first = Math.min(first, xs[from] ?? first);
    last = Math.max(last, xs[to - 1] ?? 0);
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
