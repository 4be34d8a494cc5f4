import { describe, expect, it } from '@jest/globals';
import type { CurveBuckets, MetricChunk, MetricRow } from '@ferment/contracts';
import { CurveStore, type CurvesWanted } from '../lib/curve-store';
import {
  groupCurves,
  inOrder,
  middleRange,
  pointsOf,
  smooth,
  stepsWithin,
  student975,
  type Run,
} from '../lib/curves';
import { appended, seriesFrom, truncated, type Series } from '../lib/series';

const jobId = '00000000-0000-4000-8000-000000000001';
const loss = 'train.loss';
const row = (step: number, value: number | null, series = loss): MetricRow => ({
  step,
  epoch: step / 10,
  time: 60_000 * step,
  values: { [series]: value },
});
const chunk = (cursor: number, rows: MetricRow[], truncateFrom: number | null = null): MetricChunk => ({
  jobId,
  attempt: 1,
  cursor,
  truncateFrom,
  rows,
});
const none = seriesFrom(undefined);
const points = (values: number[], first = 1): Series =>
  appended(
    none,
    values.map((value, index) => row(first + index, value)),
    loss,
  );
const run = (job: string, group: string, values: number[]): Run => ({
  ...{ job, group, label: job },
  series: (name) => (name === loss ? points(values) : undefined),
});

type Curve = CurveBuckets['curves'][number];
/** As the API answers it: exact points, or with `of` the stretches that stand for more. */
const answer = (cursor: number, steps: number[], of = steps.length): Curve => ({
  ...{ jobId, cursor, names: [loss, 'validation.accuracy'] },
  series: {
    [loss]: {
      ...{ of, shown: steps.length, exact: of === steps.length },
      ...{ step: steps, last: steps, epoch: steps, time: steps },
      ...(of > steps.length && { min: steps, max: steps, mean: steps }),
    },
  },
});

describe('a series', () => {
  it('takes the rows that have it', () => {
    const series = appended(none, [row(1, 5), row(2, null), row(3, 1, 'other'), row(4, 7)], loss);
    expect([series.step, series.mean, series.of, series.start]).toEqual([[1, 4], [5, 7], 2, 60_000]);
  });

  it('gives up what is computed again, unless it may be part of a stretch', () => {
    const series = points([1, 2, 3]);
    expect(truncated(series, 2)).toMatchObject({ step: [1], mean: [1], of: 1 });
    expect(truncated(series, 4)).toBe(series);
    const stretches = seriesFrom(answer(1, [10, 20], 20).series[loss]);
    expect(truncated(stretches, 15)).toBeNull();
    expect(truncated(stretches, 21)).toBe(stretches);
  });
});

describe('the curve store', () => {
  const changed = (store: CurveStore) => new Promise<void>((resolve) => store.subscribe(() => resolve()));
  const steps = (store: CurveStore) => store.series(jobId, loss)?.step;
  /** A store whose loads are answered in turn, and what was asked for. */
  function answering(answers: Curve[][], resolution = 400) {
    const asked: CurvesWanted[] = [];
    const store = new CurveStore((wanted) => {
      asked.push(wanted);
      return Promise.resolve(answers.shift() ?? []);
    }, resolution);
    return { store, asked };
  }

  it('keeps chunks that arrive while the curve loads, and none twice', async () => {
    let deliver: (curves: Curve[]) => void = () => undefined;
    const store = new CurveStore(() => new Promise((resolve) => (deliver = resolve)));
    const wanted = store.want([jobId], [loss]);
    store.receive(chunk(5, [row(5, 5)]));
    store.receive(chunk(6, [row(6, 6)]));
    deliver([answer(5, [1, 2, 3, 4, 5])]);
    await wanted;
    expect(steps(store)).toEqual([1, 2, 3, 4, 5, 6]);
    store.receive(chunk(6, [row(6, 6)]));
    expect(steps(store)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('loads the curve again where a chunk is missing', async () => {
    const { store, asked } = answering([[answer(1, [1])], [answer(4, [1, 2, 4])]]);
    await store.want([jobId], [loss]);
    await changed(store);
    store.receive(chunk(4, [row(4, 4)]));
    await changed(store);
    expect([steps(store), asked.length]).toEqual([[1, 2, 4], 2]);
  });

  it('asks for what is not there only, together for jobs that lack the same', async () => {
    const other = jobId.replace('1', '2');
    const { store, asked } = answering([[answer(1, [1]), { ...answer(1, [1]), jobId: other }]]);
    await store.want([jobId, other], [loss]);
    await store.want([jobId, other], [loss]);
    await store.want([jobId], [loss, 'validation.accuracy']);
    expect(asked.map(({ jobs, series }) => [jobs.length, series])).toEqual([
      [2, [loss]],
      [1, ['validation.accuracy']],
    ]);
    expect(store.names([jobId])).toEqual([loss, 'validation.accuracy']);
    expect(store.has('gone')).toBe(false);
    await store.want(['gone'], [loss]);
    expect(store.has('gone')).toBe(true);
  });

  it('does not grow while a training goes on: its curve comes in stretches again', async () => {
    const { store, asked } = answering([[answer(0, [])], [answer(30, [8, 16, 24], 24)]], 8);
    await store.want([jobId], [loss]);
    await changed(store);
    for (let cursor = 1; cursor <= 17; cursor += 1) store.receive(chunk(cursor, [row(cursor, cursor)]));
    await changed(store);
    expect([steps(store), asked.length]).toEqual([[8, 16, 24], 2]);
    store.receive(chunk(31, [row(25, 1)]));
    expect(store.series(jobId, loss)).toMatchObject({ step: [8, 16, 24, 25], of: 25 });
  });

  it('loads again what a resumed attempt computes again, where it has stretches', async () => {
    const { store, asked } = answering([[answer(3, [10, 20], 20)], [answer(4, [10, 15], 15)]]);
    await store.want([jobId], [loss]);
    await changed(store);
    store.receive(chunk(4, [row(15, 1)], 15));
    await changed(store);
    expect([steps(store), asked.length]).toEqual([[10, 15], 2]);
  });

  it('tells a change through its version, many chunks at once', async () => {
    const { store } = answering([[answer(0, [])]]);
    await store.want([jobId], [loss]);
    await changed(store);
    const before = store.version();
    for (let cursor = 1; cursor <= 50; cursor += 1) store.receive(chunk(cursor, [row(cursor, cursor)]));
    await changed(store);
    expect(store.version()).toBe(before + 1);
    expect(steps(store)).toHaveLength(50);
  });

  it('does not take chunks of jobs that are not shown', () => {
    const store = new CurveStore(() => Promise.reject(new Error('not asked for')));
    store.receive(chunk(1, [row(1, 1)]));
    expect(store.has(jobId)).toBe(false);
  });
});

describe('grouping', () => {
  const drawing = { axis: 'step', smoothing: 0 } as const;

  it('gives mean, range and interval over the runs that reached each step', () => {
    const curves = groupCurves(
      [run('a', 'kd', [1, 2, 3]), run('b', 'kd', [3, 4]), run('c', 'none', [9])],
      loss,
      drawing,
    );
    expect(curves).toMatchObject({ xs: [1, 2, 3], shown: 6, of: 6 });
    const [kd, alone] = curves.groups;
    expect(kd).toMatchObject({ group: 'kd', mean: [2, 3, 3], range: { low: [1, 2, 3], high: [3, 4, 3] } });
    // Two values 2 apart: s / sqrt(n) is 1, and t of one degree of freedom 12.7062.
    expect(kd?.interval.low[0]).toBeCloseTo(2 - 12.7062, 4);
    expect([kd?.interval.high[2], kd?.interval.low[2]]).toEqual([3, 3]);
    expect(kd?.runs.map(({ values }) => values)).toEqual([
      [1, 2, 3],
      [3, 4, null],
    ]);
    expect(alone).toMatchObject({ group: 'none', mean: [9, null, null] });
  });

  it('averages long runs into stretches without losing their level', () => {
    const long = run(
      'a',
      'kd',
      Array.from({ length: 10_000 }, (_, index) => index),
    );
    const curves = groupCurves([long], loss, drawing);
    expect(curves.xs.length).toBeLessThanOrEqual(401);
    const means = curves.groups[0]?.mean ?? [];
    expect(means.every((value, index) => Math.abs((value ?? NaN) - ((curves.xs[index] ?? 0) - 1)) < 15)).toBe(
      true,
    );
    const near = groupCurves([long], loss, { ...drawing, zoom: [5000, 5100] });
    expect(near.xs).toEqual(Array.from({ length: 101 }, (_, index) => 5000 + index));
  });

  it('counts time in minutes from the first point, and finds moments that runs have in common', () => {
    const late: Run = { ...run('b', 'kd', []), series: () => points([4, 6], 101) };
    const both = [run('a', 'kd', [2, 4]), late];
    expect(pointsOf(points([4, 6], 101), 'time')).toEqual([
      { x: 0, y: 4 },
      { x: 1, y: 6 },
    ]);
    expect(groupCurves(both, loss, { axis: 'time', smoothing: 0 }).groups[0]?.mean[0]).toBe(3);
  });

  it('says which steps lie in a stretch, a point further on both sides', () => {
    const both = [run('a', 'kd', [1, 2, 3, 4, 5, 6]), run('b', 'kd', [1, 2])];
    expect(stepsWithin(both, loss, 'step', [3, 4])).toEqual([2, 5]);
    expect(stepsWithin(both, loss, 'epoch', [0.31, 0.39])).toEqual([2, 5]);
    expect(stepsWithin(both, loss, 'time', [0, 1])).toEqual([1, 3]);
    expect(stepsWithin(both, loss, 'step', [7, 9])).toBeNull();
  });

  it('has nothing where there is nothing', () => {
    expect(groupCurves([], loss, drawing)).toEqual({ xs: [], groups: [], shown: 0, of: 0 });
    expect(groupCurves([run('a', 'kd', [1])], 'other', drawing).xs).toEqual([]);
  });

  it('lists validation first and per-class figures last', () => {
    expect(inOrder(['train.loss', 'validation.f1.happy', 'validation.accuracy'])).toEqual([
      'validation.accuracy',
      'train.loss',
      'validation.f1.happy',
    ]);
  });
});

describe("Student's t", () => {
  it.each([
    [1, 12.7062],
    [4, 2.7764],
    [10, 2.2281],
    [11, 2.201],
    [15, 2.1314],
    [29, 2.0452],
    [199, 1.972],
  ])('of %i degrees of freedom', (degrees, expected) => {
    expect(student975(degrees)).toBeCloseTo(expected, 3);
  });
});

describe('an axis without outliers', () => {
  it('shows the middle of the values', () => {
    const values = Array.from({ length: 100 }, (_, index) => index / 100);
    const [low, high] = middleRange([[...values, 1e6, -1e6, null]]) ?? [0, 0];
    expect([low < 0.05, low > -0.2, high > 0.95, high < 1.2]).toEqual([true, true, true, true]);
    expect(middleRange([[1, 2, 3]])).toBeNull();
    expect(middleRange([Array<number>(30).fill(5)])).toEqual([4.5, 5.5]);
  });
});

describe('smoothing', () => {
  it('keeps a constant and the first point as they are', () => {
    const constant = [1, 2, 3].map((x) => ({ x, y: 7 }));
    for (const { y } of smooth(constant, 0.9)) expect(y).toBeCloseTo(7, 12);
    const start = [
      { x: 1, y: 3 },
      { x: 2, y: 100 },
    ];
    expect(smooth(start, 0.6)[0]?.y).toBeCloseTo(3, 12);
  });

  it('is the debiased moving average', () => {
    const step = [
      { x: 1, y: 0 },
      { x: 2, y: 1 },
    ];
    expect(smooth(step, 0.5)[1]?.y).toBeCloseTo(0.5 / 0.75, 12);
  });
});
