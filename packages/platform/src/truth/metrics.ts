import type { MetricRow } from '@ferment/contracts';
import {
  columnsOf,
  rowFrom,
  rowsOf,
  sliceColumns,
  type Column,
  type CurveColumns,
} from '../curves/columns.js';

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
  const simple = oneAfterAnother(chunks);
  if (simple) return simple;
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

/** All rows, where each says something of a later step than the one before, as it nearly always is; null elsewhere. */
function oneAfterAnother(chunks: readonly StoredChunk[]): MetricRow[] | null {
  const all: MetricRow[] = [];
  let last = -1;
  for (const { truncateFrom, rows } of chunks) {
    if (truncateFrom !== null && truncateFrom <= last) return null;
    for (const row of rows) {
      if (row.step <= last) return null;
      last = row.step;
      all.push(row);
    }
  }
  return all;
}

/** The first step about which these chunks say something; null where they say nothing. */
export function changedFrom(chunks: readonly StoredChunk[]): number | null {
  let first = Infinity;
  for (const { truncateFrom, rows } of chunks) {
    first = Math.min(first, truncateFrom ?? Infinity);
    for (const { step } of rows) first = Math.min(first, step);
  }
  return first === Infinity ? null : first;
}

/** A stored curve and the chunks that came after it, as one curve. */
export function withChunks(base: CurveColumns | null, chunks: readonly StoredChunk[]): CurveColumns {
  const from = changedFrom(chunks);
  if (base === null || base.step.length === 0) return columnsOf(curveOf(chunks));
  if (from === null) return base;
  const at = rowFrom(base.step, from);
  const changed = rowsOf(sliceColumns(base, at, base.step.length));
  const tail = columnsOf(curveOf([{ cursor: 0, truncateFrom: null, rows: changed }, ...chunks]));
  return joinCurves(sliceColumns(base, 0, at), tail);
}

function joinCurves(head: CurveColumns, tail: CurveColumns): CurveColumns {
  const rows = head.step.length + tail.step.length;
  const join = (name: string): Column => {
    const values = new Float64Array(rows).fill(NaN);
    const present = new Uint8Array(rows);
    for (const [{ series, step }, at] of [[head, 0] as const, [tail, head.step.length] as const]) {
      const column = series.get(name);
      if (!column) continue;
      values.set(column.values, at);
      if (column.present) present.set(column.present, at);
      else present.fill(1, at, at + step.length);
    }
    return { values, present: present.includes(0) ? present : null };
  };
  const axis = (name: 'epoch' | 'time'): Float64Array => {
    const values = new Float64Array(rows);
    values.set(head[name]);
    values.set(tail[name], head.step.length);
    return values;
  };
  const step = new Int32Array(rows);
  step.set(head.step);
  step.set(tail.step, head.step.length);
  return {
    step,
    epoch: axis('epoch'),
    time: axis('time'),
    series: new Map(
      [...new Set([...head.series.keys(), ...tail.series.keys()])].map((name) => [name, join(name)]),
    ),
  };
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
export function summariseCurve({ step, series }: CurveColumns): SeriesSummary[] {
  return [...series].flatMap(([name, { values }]) => {
    const found: SeriesSummary = {
      series: name,
      points: 0,
      lastStep: 0,
      last: 0,
      minimum: Infinity,
      maximum: -Infinity,
    };
    values.forEach((value, index) => {
      if (!Number.isFinite(value)) return;
      found.points += 1;
      found.lastStep = step[index] ?? 0;
      found.last = value;
      found.minimum = Math.min(found.minimum, value);
      found.maximum = Math.max(found.maximum, value);
    });
    return found.points === 0 ? [] : [found];
  });
}
