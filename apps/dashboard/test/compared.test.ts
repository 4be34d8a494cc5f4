import { describe, expect, it } from '@jest/globals';
import { compareAddress, comparedIds, condensed, trialLabels, valueText } from '../lib/compared';

const a = '6f9619ff-8b86-4011-b42d-00c04fc964ff';
const b = '7f9619ff-8b86-4011-b42d-00c04fc964ff';

describe('trials that are compared', () => {
  it('stand in the address, each once, and nothing else does', () => {
    expect(comparedIds(`${a},${b},${a},nonsense,`)).toEqual([a, b]);
    expect(compareAddress([a, b])).toBe(`/compare/?trials=${a},${b}`);
    const many = Array.from({ length: 30 }, (_, at) =>
      a.replace('6f', (10 + at).toString(16).padStart(2, '0')),
    );
    expect(comparedIds(many.join(','))).toHaveLength(20);
  });

  it('are called by their experiments only where there are several, and told apart where all is alike', () => {
    const trial = (experimentId: string, seed: number) =>
      ({ experimentId, variant: 'baseline', seed, fold: null }) as Parameters<typeof trialLabels>[0][number];
    const names = new Map([
      [a, { name: 'one' }],
      [b, { name: 'one' }],
    ]);
    expect(trialLabels([trial(a, 0), trial(a, 1)], names)).toEqual(['baseline, seed 0', 'baseline, seed 1']);
    expect(trialLabels([trial(a, 0), trial(b, 1)], names)).toEqual([
      'one: baseline, seed 0',
      'one: baseline, seed 1',
    ]);
    expect(trialLabels([trial(a, 0), trial(b, 0)], names)).toEqual([
      'one: baseline, seed 0 (6f9619ff)',
      'one: baseline, seed 0 (7f9619ff)',
    ]);
  });
});

describe('what differs', () => {
  it('is one row for a stage that some do not have, and those of its settings that differ among the others', () => {
    const rows = [
      { path: 'seed', values: [0, 1, 0] },
      { path: 'teacher.model.name', values: ['vgg', null, 'vgg'] },
      { path: 'teacher.train.epochs', values: [4, null, 8] },
      { path: 'teacher.train.batch', values: [32, null, 32] },
    ];
    expect(condensed(rows)).toEqual([
      { path: 'seed', values: [0, 1, 0] },
      { path: 'teacher', values: ['there', 'none', 'there'] },
      { path: 'teacher.train.epochs', values: [4, null, 8] },
    ]);
  });

  it('stays as it is where every trial has the stage', () => {
    const rows = [
      { path: 'student.method.temperature', values: [4, null] },
      { path: 'student.train.batch', values: [32, 64] },
    ];
    expect(condensed(rows)).toEqual(rows);
    expect(condensed([])).toEqual([]);
    expect([null, 'kd', [1], { a: 1 }].map(valueText)).toEqual(['–', 'kd', '[1]', '{"a":1}']);
  });
});
