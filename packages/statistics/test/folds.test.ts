import { describe, expect, it } from '@jest/globals';
import type { AblationTable } from '@ferment/contracts';
import { ablationTable, renderTable } from '../src/index.js';
import { inputOf, type Given } from './trials.js';

const foldAccuracies: Record<string, number[][]> = {
  // By seed, then by fold: seeds' means .5, .6, .7 and .55, .7, .76.
  baseline: [
    [0.4, 0.6],
    [0.5, 0.7],
    [0.65, 0.75],
  ],
  off: [
    [0.5, 0.6],
    [0.8, 0.6],
    [0.7, 0.82],
  ],
};

function trialsOf(change: (given: Given) => Given = (given) => given): Given[] {
  return Object.entries(foldAccuracies).flatMap(([variant, seeds]) =>
    seeds.flatMap((folds, seed) =>
      folds.map((accuracy, fold) =>
        change({ variant, seed, fold, accuracy, imagesHash: `fold ${fold}`, testImages: 196 }),
      ),
    ),
  );
}

const meanOf = (table: AblationTable, variant: string) =>
  table.sections[0]?.configurations.find((one) => one.variant === variant)?.metrics['test.accuracy'];

describe('figures of trials with folds', () => {
  it('are averaged over folds first: seeds are the replicates', () => {
    const table = ablationTable(inputOf(trialsOf()));
    expect(table.sections).toHaveLength(1);
    const [section] = table.sections;
    const rounded = (values: number[] | undefined) => values?.map((value) => Number(value.toFixed(10)));
    expect(rounded(meanOf(table, 'baseline')?.values)).toEqual([0.5, 0.6, 0.7]);
    expect(rounded(meanOf(table, 'off')?.values)).toEqual([0.55, 0.7, 0.76]);
    // t(.975, 2) = 4.302653; sd .1 over three seeds, not over six trials.
    const baseline = meanOf(table, 'baseline');
    expect(baseline).toMatchObject({ n: 3, mean: expect.closeTo(0.6, 12), sd: expect.closeTo(0.1, 12) });
    expect(baseline?.interval?.high).toBeCloseTo(0.6 + (4.302652729911275 * 0.1) / Math.sqrt(3), 10);
    const delta = section?.families[0]?.comparisons[0];
    expect(delta?.n).toBe(3);
    expect(rounded(delta?.differences)).toEqual([0.05, 0.1, 0.06]);
    expect(delta?.mean).toBeCloseTo(0.07, 12);
    // mean .07, sd sqrt(.0007) = .0264575: t = .07 / (.0264575 / sqrt(3)).
    expect(delta?.t).toBeCloseTo(0.07 / (Math.sqrt(0.0007) / Math.sqrt(3)), 8);
    // Two folds of 196 test images each stand behind every figure.
    expect(section?.images.test).toBe(392);
    expect(table.header).toContain(
      '3 seeds x 2 folds, averaged over folds first: n counts seeds, folds are no replicates',
    );
  });

  it('do not depend on the order of the trials', () => {
    const straight = ablationTable(inputOf(trialsOf()));
    const [first, ...rest] = trialsOf();
    const turned = ablationTable(inputOf([...rest.reverse(), first as Given], { seeds: [0, 1, 2] }));
    expect(meanOf(turned, 'off')).toEqual(meanOf(straight, 'off'));
    expect(meanOf(turned, 'baseline')).toEqual(meanOf(straight, 'baseline'));
  });

  it('are missing for a seed whose folds have not all ended, with the fold and its reason', () => {
    const table = ablationTable(
      inputOf(
        trialsOf((given) => {
          if (given.variant !== 'off' || given.seed !== 1 || given.fold !== 1) return given;
          const { accuracy: _accuracy, ...rest } = given;
          return { ...rest, state: 'failed', reason: 'diverged at step 12' };
        }),
      ),
    );
    const [section] = table.sections;
    expect(section?.configurations.map(({ seeds }) => seeds)).toEqual([
      [0, 1, 2],
      [0, 2],
    ]);
    expect(section?.missing).toEqual([
      {
        variant: 'off',
        seed: 1,
        state: 'failed',
        reason: expect.stringContaining('fold 1: diverged at step 12'),
      },
    ]);
    expect(section?.families[0]?.comparisons[0]?.n).toBe(2);
    expect(section?.unequalN).toBe(true);
    expect(table.trials.filter(({ state }) => state === 'failed')).toEqual([
      { variant: 'off', seed: 1, fold: 1, state: 'failed', reason: 'diverged at step 12' },
    ]);
    expect(renderTable(table, 'text')).toContain('1, fold 1');
    expect(renderTable(table, 'csv')).toContain('diverged at step 12');
  });

  it('on the same test images count these once', () => {
    const table = ablationTable(inputOf(trialsOf((given) => ({ ...given, imagesHash: 'all of FER2013' }))));
    expect(table.sections.map(({ images }) => images.test)).toEqual([196]);
    expect(table.sections[0]?.leakRemoved).toBe(340);
  });

  it('refuse a fold that stands twice', () => {
    const [first] = trialsOf();
    expect(() => ablationTable(inputOf([...trialsOf(), first as Given]))).toThrow(
      'baseline seed 0 fold 0 stands twice',
    );
  });
});

describe('data that are only tested on', () => {
  it('have test figures and no validation block', () => {
    const input = inputOf([
      { variant: 'baseline', seed: 0, accuracy: 0.5 },
      { variant: 'baseline', seed: 1, accuracy: 0.6 },
    ]);
    const results = Object.fromEntries(
      Object.entries(input.results).map(([hash, result]) => [
        hash,
        { ...result, angles: 'frontal' as const, splits: { ...result.splits, validation: null } },
      ]),
    );
    const table = ablationTable({ params: { ...input.params, design: 'none' }, results });
    const [section] = table.sections;
    expect(section?.images.validation).toBeNull();
    const metrics = section?.configurations[0]?.metrics;
    expect(metrics?.['validation.accuracy']).toEqual({
      n: 0,
      mean: null,
      sd: null,
      interval: null,
      values: [],
    });
    expect(metrics?.['test.accuracy']?.mean).toBeCloseTo(0.55, 12);
    expect(renderTable(table, 'text')).not.toContain('validation split');
    expect(renderTable(table, 'text')).toContain('angles frontal');
    expect(renderTable(table, 'csv')).not.toContain('validation.accuracy');
  });
});
