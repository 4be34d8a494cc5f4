import { describe, expect, it } from '@jest/globals';
import type { TrialItem } from '@ferment/contracts';
import { mostCompared } from '../lib/compared';
import { addable, bestOfEach, matching } from '../lib/trial-choice';

const trial = (id: string, variant: string, seed: number, state: TrialItem['state'], macroF1?: number) =>
  ({
    ...{ id, variant, seed, state, fold: null },
    summary:
      macroF1 === undefined
        ? {}
        : { fer: { validation: { accuracy: 0.5, macroF1, nll: 1 - macroF1 }, test: {} } },
  }) as unknown as TrialItem;

const trials = [
  trial('a', 'baseline', 0, 'succeeded', 0.5),
  trial('b', 'baseline', 1, 'failed'),
  trial('c', 'no-teachers', 0, 'succeeded', 0.4),
  trial('d', 'no-teachers', 1, 'succeeded', 0.6),
];
const ids = (some: readonly TrialItem[]) => some.map(({ id }) => id);

describe('trials to choose from', () => {
  it('are found by any words of variant, seed and state', () => {
    expect(ids(matching(trials, ' Seed 1 NO'))).toEqual(['d']);
    expect(ids(matching(trials, 'failed'))).toEqual(['b']);
    expect(ids(matching(trials, ''))).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are the best of each variant by validation, the lowest where lower is better', () => {
    expect(ids(bestOfEach(trials, 'fer', 'validation.macroF1'))).toEqual(['a', 'd']);
    expect(ids(bestOfEach(trials, 'fer', 'validation.nll'))).toEqual(['a', 'd']);
    expect(bestOfEach(trials, 'kdef', 'validation.macroF1')).toEqual([]);
  });

  it('are added once each, and no more than can be compared', () => {
    expect(addable(trials, ['b'])).toEqual(['a', 'c', 'd']);
    const many = Array.from({ length: mostCompared - 1 }, (_, at) => `other ${at}`);
    expect(addable(trials, many)).toEqual(['a']);
    expect(addable(trials, [...many, 'a'])).toEqual([]);
  });
});
