import type { MetricRow } from '@ferment/contracts';

/** One series of a curve, a value for each of the curve's rows. */
export interface Column {
  /** NaN where a row has no value, or one that is no finite number (null in a {@link MetricRow}). */
  readonly values: Float64Array;
  /** 1 where the row has the series, be it as null; null itself where all rows have it. */
  readonly present: Uint8Array | null;
}

/** A curve by columns, rows in the order of steps. */
export interface CurveColumns {
  readonly step: Int32Array;
  readonly epoch: Float64Array;
  readonly time: Float64Array;
  readonly series: ReadonlyMap<string, Column>;
}

/** @param rows one a step, in order */
export function columnsOf(rows: readonly MetricRow[]): CurveColumns {
  const series = new Map<string, { values: Float64Array; present: Uint8Array; count: number }>();
  rows.forEach(({ values }, index) => {
    // Object.entries would make two arrays for each value, of which a page of curves has millions.
    for (const name in values) {
      const value = values[name];
      let column = series.get(name);
      if (!column) {
        column = {
          values: new Float64Array(rows.length).fill(NaN),
          present: new Uint8Array(rows.length),
          count: 0,
        };
        series.set(name, column);
      }
      column.values[index] = value ?? NaN;
      column.present[index] = 1;
      column.count += 1;
    }
  });
  return {
    step: Int32Array.from(rows, (row) => row.step),
    epoch: Float64Array.from(rows, (row) => row.epoch),
    time: Float64Array.from(rows, (row) => row.time),
    series: new Map(
      [...series].map(([name, { values, present, count }]) => [
        name,
        { values, present: count === rows.length ? null : present },
      ]),
    ),
  };
}

/** The opposite of {@link columnsOf}; values that are no number become null. */
export function rowsOf({ step, epoch, time, series }: CurveColumns): MetricRow[] {
  return Array.from(step, (at, index) => {
    const values: MetricRow['values'] = {};
    for (const [name, column] of series) {
      if (column.present !== null && column.present[index] === 0) continue;
      const value = column.values[index];
      values[name] = value === undefined || Number.isNaN(value) ? null : value;
    }
    return { step: at, epoch: epoch[index] ?? 0, time: time[index] ?? 0, values };
  });
}

/** The rows from index `start` to before `end`; columns share their memory. */
export function sliceColumns(curve: CurveColumns, start: number, end: number): CurveColumns {
  if (start === 0 && end >= curve.step.length) return curve;
  return {
    step: curve.step.subarray(start, end),
    epoch: curve.epoch.subarray(start, end),
    time: curve.time.subarray(start, end),
    series: new Map(
      [...curve.series].map(([name, { values, present }]) => [
        name,
        { values: values.subarray(start, end), present: present?.subarray(start, end) ?? null },
      ]),
    ),
  };
}

/** Index of the first row whose step is `step` or later. */
export function rowFrom(steps: Int32Array, step: number): number {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((steps[middle] ?? 0) < step) low = middle + 1;
    else high = middle;
  }
  return low;
}
