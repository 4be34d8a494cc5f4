import type { MetricRow } from '@ferment/contracts';

/** A chunk as its row holds it. */
export interface StoredChunk {
  cursor: number;
  truncateFrom: number | null;
  rows: MetricRow[];
}

/**
 * One row a step from a job's chunks in cursor order: a chunk that resumes at step n takes away what earlier chunks
 * said from n on, and a step said twice keeps the later row, its series joined.
 */
export function curveOf(chunks: readonly StoredChunk[]): MetricRow[] {
  const bySteps = new Map<number, MetricRow>();
  for (const { truncateFrom, rows } of chunks) {
    if (truncateFrom !== null)
      for (const step of bySteps.keys()) if (step >= truncateFrom) bySteps.delete(step);
    for (const row of rows) {
      const before = bySteps.get(row.step);
      bySteps.set(row.step, before ? { ...row, values: { ...before.values, ...row.values } } : row);
    }
  }
  return [...bySteps.values()].sort((a, b) => a.step - b.step);
}

export interface SeriesSummary {
  series: string;
  points: number;
  lastStep: number;
  last: number;
  minimum: number;
  maximum: number;
}

/** Count, last value and range of each series; values that are null or not finite do not count. */
export function summariseCurve(rows: readonly MetricRow[]): SeriesSummary[] {
  const found = new Map<string, SeriesSummary>();
  for (const { step, values } of rows) {
    for (const [series, value] of Object.entries(values)) {
      if (value === null || !Number.isFinite(value)) continue;
      const known = found.get(series);
      if (!known) {
        found.set(series, { series, points: 1, lastStep: step, last: value, minimum: value, maximum: value });
        continue;
      }
      known.points += 1;
      known.lastStep = step;
      known.last = value;
      known.minimum = Math.min(known.minimum, value);
      known.maximum = Math.max(known.maximum, value);
    }
  }
  return [...found.values()];
}
