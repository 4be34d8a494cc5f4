import { describe, expect, it } from '@jest/globals';
import type { RobustnessCell, RobustnessColumn, RobustnessSection } from '@ferment/contracts';
import { accuracyReach, attackCharts, columnsAt, titleWithoutRadius } from '../lib/robustness';

const small = 2 / 255;
const large = 8 / 255;

function column(given: Partial<RobustnessColumn> & Pick<RobustnessColumn, 'key' | 'kind'>): RobustnessColumn {
  return {
    title: given.key,
    epsilon: null,
    attack: null,
    over: [],
    unit: 'fraction',
    measured: false,
    ...given,
  };
}

const pgd = (epsilon: number): RobustnessColumn =>
  column({
    key: `pgd@${epsilon}`,
    kind: 'attack',
    title: `PGD-20 at ${epsilon * 255}/255`,
    epsilon,
    attack: { attack: 'pgd', steps: 20, restarts: 1, stepSize: (2.5 * epsilon) / 20 },
  });
const worst = (epsilon: number, over: string[]): RobustnessColumn =>
  column({
    key: `worst@${epsilon} ${over.length}`,
    kind: 'worst-case',
    title: `worst case at ${epsilon * 255}/255`,
    epsilon,
    over,
  });

const cell = (mean: number, interval: RobustnessCell['interval'] = null): RobustnessCell => ({
  n: interval ? 3 : 1,
  mean,
  sd: null,
  interval,
  seeds: [0],
  values: [mean],
});

function section(
  columns: RobustnessColumn[],
  cells: Record<string, Record<string, RobustnessCell>>,
): RobustnessSection {
  return {
    dataset: 'faces',
    datasetVersion: 'v',
    protocol: 'official',
    synthetic: true,
    trainedOn: ['faces'],
    acrossDatasets: false,
    attackAfterPreprocessing: false,
    images: { test: 10, attacked: 10 },
    imagesHash: 'h',
    majority: null,
    corruptions: [],
    columns,
    configurations: Object.entries(cells).map(([variant, own]) => ({
      variant,
      factors: {},
      baseline: variant === 'baseline',
      seeds: [0],
      planned: 1,
      trainedOn: ['faces'],
      cells: own,
      perClass: {},
      checks: 0,
      failedChecks: [],
    })),
    families: [],
    missing: [],
    suspect: false,
    fewSeeds: [],
    unequalN: false,
  };
}

const clean = column({ key: 'clean-attacked', kind: 'clean-attacked' });

describe('charts of accuracy against the radius', () => {
  const shown = section([clean, pgd(small), worst(small, ['a']), pgd(large), worst(large, ['a', 'b'])], {
    baseline: {
      'clean-attacked': cell(0.6),
      [pgd(small).key]: cell(0.5),
      [pgd(large).key]: cell(0.2),
      [worst(small, ['a']).key]: cell(0.5),
      [worst(large, ['a', 'b']).key]: cell(0.1),
    },
    clean: { 'clean-attacked': cell(0.7), [pgd(large).key]: cell(0.05, { low: -0.1, high: 0.65 }) },
    failed: {},
  });

  it('begin with the clean accuracy, the worst case first, and join an attack over its radii', () => {
    const { radii, charts } = attackCharts(shown);
    expect(radii).toEqual([0, 2, 8]);
    expect(charts.map(({ title }) => title)).toEqual(['worst case', 'PGD-20']);
    const means = charts.map(({ lines }) =>
      lines.map(({ variant, cells }) => [variant, cells.map((one) => one?.mean ?? null)]),
    );
    expect(means).toEqual([
      [['baseline', [0.6, 0.5, 0.1]]],
      [
        ['baseline', [0.6, 0.5, 0.2]],
        ['clean', [0.7, null, 0.05]],
      ],
    ]);
  });

  it('share one axis that holds every interval, and never goes beyond 1', () => {
    expect(accuracyReach(attackCharts(shown))).toBeCloseTo(0.7 * 1.05, 12);
    const full = section([clean, pgd(small)], {
      baseline: { 'clean-attacked': cell(1), [pgd(small).key]: cell(0.9, { low: 0.7, high: 1.4 }) },
    });
    expect(accuracyReach(attackCharts(full))).toBe(1);
  });

  it('keep unions over other attacks at the same radius apart', () => {
    const two = section([clean, worst(small, ['a']), worst(small, ['a', 'b'])], {
      baseline: { [worst(small, ['a']).key]: cell(0.5) },
      other: { [worst(small, ['a', 'b']).key]: cell(0.4) },
    });
    expect(attackCharts(two).charts.map(({ lines }) => lines.map(({ variant }) => variant))).toEqual([
      ['baseline'],
      ['other'],
    ]);
  });
});

describe('columns', () => {
  it('at one radius stand behind the clean accuracy of the same images, without the radius', () => {
    const columns = columnsAt(section([clean, pgd(small), pgd(large)], {}), large);
    expect(columns.map(titleWithoutRadius)).toEqual(['clean-attacked', 'PGD-20']);
  });
});
