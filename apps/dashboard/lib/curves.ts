import type { MetricRow } from '@ferment/contracts';

export type Axis = 'epoch' | 'step';

/** One training's rows, and the group (variant, stage …) it is drawn in. */
export interface Run {
  readonly id: string;
  readonly label: string;
  readonly group: string;
  readonly rows: readonly MetricRow[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A group's runs on the common grid: mean and range over the runs that reached each x. */
export interface GroupCurve {
  readonly group: string;
  readonly runs: readonly { readonly label: string; readonly values: readonly (number | null)[] }[];
  readonly mean: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}

export interface GroupedCurves {
  readonly xs: readonly number[];
  readonly groups: readonly GroupCurve[];
}

/** Most points drawn along one axis; more are averaged in equal stretches. */
const mostPoints = 400;

/** Names of the series that any row has, validation first, then by name. */
export function seriesNames(rowsOf: readonly (readonly MetricRow[])[]): string[] {
  const names = new Set<string>();
  for (const rows of rowsOf)
    for (const row of rows) for (const name of Object.keys(row.values)) names.add(name);
  const rank = (name: string) => (name.startsWith('validation.') ? 0 : 1) + (name.includes('.f1.') ? 2 : 0);
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** A run's points of one series; missing and non-finite values are left out. */
export function pointsOf(rows: readonly MetricRow[], series: string, axis: Axis): Point[] {
  return rows.flatMap((row) => {
    const y = row.values[series];
    return typeof y === 'number' && Number.isFinite(y) ? [{ x: row[axis], y }] : [];
  });
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

/** Runs of one series brought onto one grid, grouped, with mean and range. */
export function groupCurves(
  runs: readonly Run[],
  series: string,
  { axis, smoothing }: { axis: Axis; smoothing: number },
): GroupedCurves {
  const drawn = runs
    .map((run) => ({ run, points: smooth(pointsOf(run.rows, series, axis), smoothing) }))
    .filter(({ points }) => points.length > 0);
  const width = bucketWidth(drawn.map(({ points }) => points));
  const place = (x: number) => (width === 0 ? x : (Math.floor(x / width) + 0.5) * width);
  const xs = [...new Set(drawn.flatMap(({ points }) => points.map(({ x }) => place(x))))].sort(
    (a, b) => a - b,
  );
  const position = new Map(xs.map((x, index) => [x, index]));

  const onGrid = (points: readonly Point[]) => {
    const sums = xs.map(() => 0);
    const counts = xs.map(() => 0);
    for (const { x, y } of points) {
      const index = position.get(place(x)) ?? 0;
      sums[index] = (sums[index] ?? 0) + y;
      counts[index] = (counts[index] ?? 0) + 1;
    }
    return sums.map((sum, index) => (counts[index] ? sum / (counts[index] ?? 1) : null));
  };

  const groups = [...new Set(drawn.map(({ run }) => run.group))].map((group) => {
    const members = drawn
      .filter(({ run }) => run.group === group)
      .map(({ run, points }) => ({ label: run.label, values: onGrid(points) }));
    const at = xs.map((_, index) =>
      members.flatMap(({ values }) => {
        const value = values[index];
        return value === null || value === undefined ? [] : [value];
      }),
    );
    return {
      group,
      runs: members,
      mean: at.map((values) =>
        values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length,
      ),
      low: at.map((values) => (values.length === 0 ? null : Math.min(...values))),
      high: at.map((values) => (values.length === 0 ? null : Math.max(...values))),
    };
  });
  return { xs, groups };
}

/** Zero where the longest run fits as it is; otherwise the stretch of x that one drawn point stands for. */
function bucketWidth(series: readonly (readonly Point[])[]): number {
  if (series.every((points) => points.length <= mostPoints)) return 0;
  let last = 0;
  for (const points of series) for (const { x } of points) last = Math.max(last, x);
  return last / mostPoints;
}
