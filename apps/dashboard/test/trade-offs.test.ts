import { describe, expect, it } from '@jest/globals';
import {
  costOf,
  frontier,
  measureAxis,
  measuresOf,
  parallelAxes,
  parameterAxis,
  type Measure,
} from '../lib/trade-offs';

const measure = (better: Measure['better'], values: Measure['values']): Measure => ({
  ...{ key: 'k', title: 'k', better, values },
});

describe('the frontier of two measures', () => {
  it('holds those that no other outdoes, whichever end is wanted', () => {
    const accuracy = measure('high', [0.7, 0.6, 0.65, 0.5]);
    const parameters = measure('low', [100, 10, 50, 60]);
    // The last is less accurate than the third and larger.
    expect(frontier(parameters, accuracy)).toEqual([true, true, true, false]);
    expect(frontier(accuracy, parameters)).toEqual([true, true, true, false]);
    expect(frontier(measure('high', [100, 10, 50, 60]), accuracy)).toEqual([true, false, false, false]);
  });

  it('holds equal ones both, outdoes one that is only as good in one, and leaves out what has no figure', () => {
    const y = measure('high', [0.5, 0.5, 0.5, 0.9]);
    expect(frontier(measure('high', [1, 1, 0.9, null]), y)).toEqual([true, true, false, false]);
  });
});

describe('measures', () => {
  type Evaluation = Parameters<typeof measuresOf>[0][number] extends ReadonlyMap<string, infer E> ? E : never;
  const evaluation = (accuracy: number, worst: [number, number][] | null) =>
    ({
      splits: { validation: null, test: { accuracy, macroF1: accuracy, nll: 1, ece: 0.1 } },
      robustness: worst && {
        worstCase: worst.map(([epsilon, robust]) => ({ epsilon, accuracy: robust })),
        corruptions: [],
      },
    }) as unknown as Evaluation;

  it('are those that any trial has, per data set, and null for those that lack them', () => {
    const cost = { parameters: 1000, macs: 5000, latency: null };
    const timed = { ...cost, latency: { median: 1.5 } };
    const measures = measuresOf(
      [
        new Map([['fer', evaluation(0.6, [[8 / 255, 0.3]])]]),
        new Map([
          ['fer', evaluation(0.7, null)],
          ['kdef', evaluation(0.8, null)],
        ]),
        new Map(),
      ],
      [cost, timed, null].map((own) => ({ cost: own, downloads: { onnx: null } })) as unknown as Parameters<
        typeof measuresOf
      >[1],
    );
    const values = (key: string) => measures.find((one) => one.key === key)?.values;
    expect(values('fer.accuracy')).toEqual([0.6, 0.7, null]);
    expect(values('fer.robust@8/255')).toEqual([0.3, null, null]);
    expect(values('kdef.accuracy')).toEqual([null, 0.8, null]);
    // What a result costs stands once, however many data sets there are.
    expect(values('parameters')).toEqual([1000, 1000, null]);
    expect(values('latency')).toEqual([null, 1.5, null]);
    expect(values('bytes')).toBeUndefined();
    expect(measures.find(({ key }) => key === 'kdef.accuracy')?.title).toBe('test accuracy, kdef');
  });
});

describe('an axis of parallel coordinates', () => {
  it('has the better end of a measure on top', () => {
    const text = (value: number) => value.toFixed(1);
    expect(measureAxis(measure('high', [1, 3, null, 2]), text).places).toEqual([0, 1, null, 0.5]);
    const low = measureAxis(measure('low', [1, 3, 2]), text);
    expect(low.places).toEqual([1, 0, 0.5]);
    expect(low.marks).toEqual([
      { place: 1, text: '1.0' },
      { place: 0, text: '3.0' },
    ]);
    expect(measureAxis(measure('high', [2, 2]), text).places).toEqual([0.5, 0.5]);
  });

  it('sets numbers by size and other values by their order', () => {
    expect(parameterAxis({ path: 'seed', values: [0, 4, 1] }).places).toEqual([0, 1, 0.25]);
    const method = parameterAxis({ path: 'method', values: ['kd', null, 'dkd', 'kd'] });
    expect(method.places).toEqual([0, 0.5, 1, 0]);
    expect(method.marks.map(({ text }) => text)).toEqual(['kd', '–', 'dkd']);
  });
});

describe('what is drawn until somebody chooses', () => {
  const named = (key: string, values: Measure['values']) => ({ ...measure('low', values), key });

  it('weighs accuracy against the first cost in which the trials differ', () => {
    const parameters = named('parameters', [10, 10]);
    expect(costOf([parameters, named('macs', [1, 2])])?.key).toBe('macs');
    const robust = [named('fer.robust@2/255', [0.4, 0.5]), named('fer.robust@8/255', [0.1, 0.2])];
    expect(costOf([...robust, parameters])?.key).toBe('fer.robust@8/255');
  });

  it('has an axis for each way in which the trials were set apart, and for each number', () => {
    const trials = ['kd', 'kd', 'none'].map((variant, seed) => ({ variant, seed, fold: null, factors: {} }));
    const differences = [
      { path: 'teacher', values: ['there', 'there', 'none'] },
      { path: 'evaluate:fer:teacher', values: ['x', 'y', 'z'] },
      { path: 'student.train.epochs', values: [4, 4, 8] },
      { path: 'seed', values: [0, 1, 2] },
      { path: 'student.seed', values: [0, 1, 2] },
    ];
    const axes = parallelAxes(
      trials,
      differences,
      [named('ece', [1, 2, 3]), named('flat', [1, 1, 1])],
      String,
    );
    expect(axes.map(({ key }) => key)).toEqual(['variant', 'student.train.epochs', 'seed', 'ece']);
  });
});
