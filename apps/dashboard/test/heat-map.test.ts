import { describe, expect, it } from '@jest/globals';
import { emotions, type CurveBuckets, type JobItem, type TrialItem } from '@ferment/contracts';
import { heatMap, heatMeasures, heatScale, heatSources, rowAt } from '../lib/heat-map';

const curve = (epoch: number[], last: number[]) => ({
  ...{ of: epoch.length, shown: epoch.length, exact: true, step: epoch.map((at) => at * 10), last, epoch },
});
/** The same curve for every emotion. */
const f1Of = (epoch: number[], last: number[]) =>
  Object.fromEntries(emotions.map((emotion) => [`validation.f1.${emotion}`, curve(epoch, last)]));
const answer = (series: Record<string, CurveBuckets['curves'][number]['series']>): CurveBuckets => ({
  width: 1,
  curves: Object.entries(series).map(([jobId, own]) => ({ jobId, cursor: 1, names: [], series: own })),
});
const [f1] = heatMeasures([]);
if (!f1) throw new Error('expected a measure');

describe('a heat map of emotions', () => {
  it('has the mean over the runs of a row on one axis of epochs, from its first figure to its last', () => {
    const sources = [
      { title: 'teacher', jobs: ['t'] },
      { title: 'student', jobs: ['a', 'b'] },
      { title: 'not begun', jobs: ['c'] },
    ];
    const map = heatMap(
      sources,
      f1,
      answer({
        t: f1Of([1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4]),
        a: f1Of([1, 2], [0.2, 0.4]),
        b: f1Of([2], [0.8]),
      }),
    );
    expect(map.epochs).toEqual([1, 2, 3, 4]);
    expect(map.rows.map(({ title, runs }) => [title, runs])).toEqual([
      ['teacher', 1],
      ['student', 2],
    ]);
    const [teacher, student] = map.rows;
    expect(teacher?.values[0]).toEqual([0.1, 0.2, 0.3, 0.4]);
    expect(student?.values[6]?.slice(0, 1)).toEqual([0.2]);
    expect(student?.values[6]?.[1]).toBeCloseTo(0.6, 12);
    expect(student?.values[6]?.slice(2)).toEqual([null, null]);
    expect(student && rowAt(student, map.epochs, 3)).toMatchObject({ ended: 2 });
    expect(student && rowAt(student, map.epochs, 3).values[0]).toBeCloseTo(0.6, 12);
    expect(teacher && rowAt(teacher, map.epochs, 3)).toMatchObject({ ended: null });
    expect(heatScale(map, 'f1')).toEqual([0, 1]);
    expect(heatScale(map, 'weight')).toEqual([0.1, 0.6000000000000001]);
  });

  it('offers what distillations keep of their teachers and classes, a row for each teacher', () => {
    const point = { points: 1, last: 1, lastStep: 1, min: 1, max: 1 };
    const names = [
      'eadd.weight.rn.happy',
      'eadd.weight.vgg.sad',
      'eadd.gain.sad',
      'eadd.entropy',
      'train.loss',
    ];
    const measures = heatMeasures([{ summaries: Object.fromEntries(names.map((name) => [name, point])) }]);
    expect(measures.map(({ key }) => key)).toEqual(['f1', 'weight', 'eadd.gain']);
    expect(measures[1]?.parts.map(({ name }) => name)).toEqual(['weight of rn', 'weight of vgg']);
    expect(measures[1]?.parts[1]?.series('fear')).toBe('eadd.weight.vgg.fear');
  });

  it('has a row for what all share and one for each variant, teachers first, folds of a teacher left out', () => {
    const trial = (variant: string, seed: number, jobs: Record<string, string>) =>
      ({ variant, seed, fold: null, factors: {}, jobs }) as unknown as TrialItem;
    const job = (id: string, kind: string) => ({ id, kind }) as JobItem;
    const trials = [
      trial('kd', 0, { student: 'k0', teacher: 't', 'student:teacher:fold-0': 'f' }),
      trial('kd', 1, { student: 'k1', teacher: 't', 'student:teacher:fold-0': 'f' }),
      trial('none', 0, { student: 'n0', 'evaluate:faces': 'e' }),
    ];
    const jobs = [job('t', 'train'), job('f', 'train'), job('k0', 'distill'), job('k1', 'distill')];
    expect(heatSources(trials, [...jobs, job('n0', 'train'), job('e', 'evaluate')])).toEqual([
      { title: 'teacher', jobs: ['t'] },
      { title: 'student, kd', jobs: ['k0', 'k1'] },
      { title: 'student, none', jobs: ['n0'] },
    ]);
  });
});
