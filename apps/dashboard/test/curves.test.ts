import { describe, expect, it } from '@jest/globals';
import type { JobMetrics, MetricChunk, MetricRow } from '@ferment/contracts';
import { applyChunk, CurveStore } from '../lib/curve-store';
import { groupCurves, pointsOf, seriesNames, smooth, type Run } from '../lib/curves';

const jobId = '00000000-0000-4000-8000-000000000001';
const row = (step: number, value: number | null, series = 'train.loss'): MetricRow => ({
  step,
  epoch: step / 10,
  time: 0,
  values: { [series]: value },
});
const chunk = (cursor: number, rows: MetricRow[], truncateFrom: number | null = null): MetricChunk => ({
  jobId,
  attempt: 1,
  cursor,
  truncateFrom,
  rows,
});
const run = (id: string, group: string, values: number[]): Run => ({
  id,
  group,
  label: id,
  rows: values.map((value, index) => row(index + 1, value)),
});

describe('a chunk', () => {
  it('is added once, and only next in line', () => {
    const curve = { cursor: 2, rows: [row(1, 1)] };
    expect(applyChunk(curve, chunk(2, [row(9, 9)]))).toBe('repeated');
    expect(applyChunk(curve, chunk(4, [row(9, 9)]))).toBe('gap');
    expect(curve.rows).toHaveLength(1);
    expect(applyChunk(curve, chunk(3, [row(2, 0.5)]))).toBe('applied');
    expect(curve.rows.map(({ step }) => step)).toEqual([1, 2]);
  });

  it('of a resumed attempt replaces the rows computed again', () => {
    const curve = { cursor: 1, rows: [row(1, 1), row(2, 2), row(3, 3)] };
    applyChunk(curve, chunk(2, [row(2, 20)], 2));
    expect(curve.rows.map(({ values }) => values['train.loss'])).toEqual([1, 20]);
  });
});

describe('the curve store', () => {
  const changed = (store: CurveStore) => new Promise<void>((resolve) => store.subscribe(() => resolve()));

  it('keeps chunks that arrive while the curve loads, and none twice', async () => {
    let deliver: (metrics: JobMetrics) => void = () => undefined;
    const store = new CurveStore(() => new Promise((resolve) => (deliver = resolve)));
    const wanted = store.want(jobId);
    store.receive(chunk(5, [row(5, 5)]));
    store.receive(chunk(6, [row(6, 6)]));
    deliver({ jobId, cursor: 5, rows: [1, 2, 3, 4, 5].map((step) => row(step, step)) });
    await wanted;
    expect(store.rows(jobId).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('loads the curve again where a chunk is missing', async () => {
    const answers: JobMetrics[] = [
      { jobId, cursor: 1, rows: [row(1, 1)] },
      { jobId, cursor: 4, rows: [row(1, 1), row(2, 2), row(4, 4)] },
    ];
    const store = new CurveStore(() => Promise.resolve(answers.shift() ?? { jobId, cursor: 0, rows: [] }));
    await store.want(jobId);
    store.receive(chunk(4, [row(4, 4)]));
    await changed(store);
    expect(store.rows(jobId).map(({ step }) => step)).toEqual([1, 2, 4]);
    expect(answers).toHaveLength(0);
  });

  it('tells a change through its version, many chunks at once', async () => {
    const store = new CurveStore(() => Promise.resolve({ jobId, cursor: 0, rows: [] }));
    await store.want(jobId);
    await changed(store);
    const before = store.version();
    for (let cursor = 1; cursor <= 50; cursor += 1) store.receive(chunk(cursor, [row(cursor, cursor)]));
    await changed(store);
    expect(store.version()).toBe(before + 1);
    expect(store.rows(jobId)).toHaveLength(50);
  });

  it('does not take chunks of jobs that are not shown', () => {
    const store = new CurveStore(() => Promise.reject(new Error('not asked for')));
    store.receive(chunk(1, [row(1, 1)]));
    expect(store.has(jobId)).toBe(false);
  });
});

describe('grouping', () => {
  it('gives mean and range over the runs that reached each step', () => {
    const curves = groupCurves(
      [run('a', 'kd', [1, 2, 3]), run('b', 'kd', [3, 4]), run('c', 'none', [9])],
      'train.loss',
      {
        axis: 'step',
        smoothing: 0,
      },
    );
    expect(curves.xs).toEqual([1, 2, 3]);
    const [kd, none] = curves.groups;
    expect(kd).toMatchObject({ group: 'kd', mean: [2, 3, 3], low: [1, 2, 3], high: [3, 4, 3] });
    expect(kd?.runs.map(({ values }) => values)).toEqual([
      [1, 2, 3],
      [3, 4, null],
    ]);
    expect(none).toMatchObject({ group: 'none', mean: [9, null, null] });
  });

  it('averages long runs into stretches without losing their level', () => {
    const long = run(
      'a',
      'kd',
      Array.from({ length: 10_000 }, (_, index) => index),
    );
    const curves = groupCurves([long], 'train.loss', { axis: 'step', smoothing: 0 });
    expect(curves.xs.length).toBeLessThanOrEqual(401);
    const means = curves.groups[0]?.mean ?? [];
    expect(means.every((value, index) => Math.abs((value ?? NaN) - ((curves.xs[index] ?? 0) - 1)) < 15)).toBe(
      true,
    );
  });

  it('leaves out what is missing or not finite', () => {
    const rows = [row(1, null), row(2, 5), { ...row(3, 1), values: { other: 1 } }];
    expect(pointsOf(rows, 'train.loss', 'epoch')).toEqual([{ x: 0.2, y: 5 }]);
    expect(groupCurves([], 'train.loss', { axis: 'step', smoothing: 0 })).toEqual({ xs: [], groups: [] });
  });

  it('lists validation first and per-class figures last', () => {
    const rows = ['train.loss', 'validation.f1.happy', 'validation.accuracy'].map((name) => row(1, 1, name));
    expect(seriesNames([rows])).toEqual(['validation.accuracy', 'train.loss', 'validation.f1.happy']);
  });
});

describe('smoothing', () => {
  it('keeps a constant and the first point as they are', () => {
    const constant = [1, 2, 3].map((x) => ({ x, y: 7 }));
    for (const { y } of smooth(constant, 0.9)) expect(y).toBeCloseTo(7, 12);
    expect(
      smooth(
        [
          { x: 1, y: 3 },
          { x: 2, y: 100 },
        ],
        0.6,
      )[0]?.y,
    ).toBeCloseTo(3, 12);
  });

  it('is the debiased moving average', () => {
    const [, second] = smooth(
      [
        { x: 1, y: 0 },
        { x: 2, y: 1 },
      ],
      0.5,
    );
    expect(second?.y).toBeCloseTo(0.5 / 0.75, 12);
  });
});
