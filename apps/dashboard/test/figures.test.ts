import { describe, expect, it } from '@jest/globals';
import { csvText, fileName } from '../lib/csv';
import { attackRows } from '../lib/robustness';
import { extentOf, linear, tickText, ticksOf } from '../lib/scales';

describe('values of a figure', () => {
  it('are written as RFC 4180 has it, numbers in full and nothing where there is none', () => {
    expect(
      csvText([
        ['name', 'value'],
        ['a, "b"', 0.1 + 0.2],
        ['two\nlines', null],
        ['', undefined],
      ]),
    ).toBe('name,value\r\n"a, ""b""",0.30000000000000004\r\n"two\nlines",\r\n,\r\n');
  });

  it('go into files whose names hold nothing that a file system refuses', () => {
    expect(fileName('Accuracy / ε = 8:255', '../faces', 2)).toBe('accuracy-ε-8-255-..-faces-2');
    expect(fileName('../..')).toBe('');
  });

  it('of attacks are a row a point that was measured', () => {
    const cell = (mean: number) => ({
      ...{ n: 1, mean, sd: null, interval: null, seeds: [0], values: [mean] },
    });
    const chart = { key: 'fgsm', title: 'FGSM', lines: [{ variant: 'base', cells: [cell(0.6), null] }] };
    expect(attackRows({ radii: [0, 8], charts: [chart] })).toEqual([
      ['attack', 'variant', 'epsilon_255', 'accuracy', 'low', 'high', 'n'],
      ['FGSM', 'base', 0, 0.6, undefined, undefined, 1],
    ]);
  });
});

describe('an axis', () => {
  it('has round numbers within its ends, both included', () => {
    expect(ticksOf(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticksOf(-0.03, 0.031, 4)).toEqual([-0.02, 0, 0.02]);
    expect(ticksOf(3, 3)).toEqual([3]);
    expect(ticksOf(0, 2_500_000, 3)).toEqual([0, 1_000_000, 2_000_000]);
  });

  it('reaches over the values that are there, and has some width where all are equal', () => {
    expect(extentOf([2, null, Number.NaN, undefined, 4], 0.5)).toEqual([1, 5]);
    expect(extentOf([null])).toBeNull();
    const [low, high] = extentOf([3, 3]) ?? [0, 0];
    expect(low).toBeLessThan(3);
    expect(high).toBeGreaterThan(3);
  });

  it('maps linearly, turned where its range is, and says large numbers shortly', () => {
    const y = linear([0, 10], [100, 0]);
    expect([y(0), y(2.5), y(10)]).toEqual([100, 75, 0]);
    expect(linear([5, 5], [0, 10])(5)).toBe(5);
    expect([0.25, -0.05, 578_123, 1_500_000, 9_000].map(tickText)).toEqual([
      ...['0.25', '−0.05', '578.1k', '1.5M', '9000'],
    ]);
  });
});
