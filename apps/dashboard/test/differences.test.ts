import { describe, expect, it } from '@jest/globals';
import { differenceTable } from '../lib/differences';

const trial = (seed: number, factors: Record<string, string> = {}) => ({
  ...{ seed, factors, fold: null },
  jobs: { student: 's', 'evaluate:fer': 'e', ...(factors['teachers'] !== 'none' && { teacher: 't' }) },
});

describe('what differs', () => {
  const trials = [trial(0), trial(1), trial(0, { teachers: 'none' })];
  const differences = [
    { path: 'evaluate:fer.model.width', values: [1, 1, 2] },
    { path: 'seed', values: [0, 1, 0] },
    { path: 'student.method.name', values: ['kd', 'kd', null] },
    { path: 'student.model.name', values: ['vgg', 'vgg', 'resnet18'] },
    { path: 'student.seed', values: [0, 1, 0] },
    { path: 'student.train.batch', values: [32, 32, 64] },
    { path: 'teacher.model.name', values: ['vgg', 'vgg', null] },
  ];

  it('has a column for trials that only their seeds set apart', () => {
    expect(differenceTable(trials, differences).columns).toEqual([[0, 1], [2]]);
    const seeds = ['seed', 'student.seed'].map((path) => ({ path, values: [0, 1] }));
    expect(differenceTable([trial(0), trial(1)], seeds)).toEqual({
      ...{ columns: [[0, 1]], factors: [], groups: [] },
    });
  });

  it('begins with what the specs name, then has stages, then evaluations', () => {
    const { factors, groups } = differenceTable(trials, differences);
    expect(factors).toEqual([{ path: 'teachers', values: [null, null, 'none'] }]);
    expect(groups.map(({ name }) => name)).toEqual(['student', 'teacher', 'evaluate:fer']);
    expect(groups.map(({ without }) => without[2])).toEqual([false, true, false]);
  });

  it('keeps a seed that is not the trial’s own, and shortens paths as far as they stay apart', () => {
    const fixed = { path: 'student.seed', values: [7, 1, 0] };
    const { groups } = differenceTable(trials, [
      fixed,
      ...differences.filter(({ path }) => path !== fixed.path),
    ]);
    const student = groups.find(({ name }) => name === 'student');
    expect(student?.settings.map(({ short }) => short)).toEqual([
      ...['seed', 'method.name', 'model.name', 'train.batch'],
    ]);
  });
});
