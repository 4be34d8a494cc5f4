import { describe, expect, it } from '@jest/globals';
import type { AblationTable, TableComparison } from '@ferment/contracts';
import { ablationTable, pairedT, renderTable, seedsForPower } from '../src/index.js';
import { inputOf, runs, type Given } from './trials.js';

const baseline = [0.6, 0.62, 0.61, 0.605, 0.615];
const without = [0.58, 0.604, 0.588, 0.59, 0.592];
const other = [0.601, 0.619, 0.612, 0.604, 0.613];

function comparison(table: AblationTable, name: string, metric = 'test.accuracy'): TableComparison {
  const found = table.sections[0]?.families
    .find((family) => family.metric === metric)
    ?.comparisons.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no comparison ${name} in ${metric}`);
  return found;
}

describe('ablation table, one at a time', () => {
  const trials = [
    ...runs('baseline', baseline),
    ...runs('dynamics-off', without, { dynamics: 'off' }),
    ...runs('other', other, { other: 'x' }),
  ];
  const table = ablationTable(inputOf(trials, { fixedStages: ['rn', 'vgg'] }));

  it('pairs by seed, whatever the order of the trials', () => {
    const delta = comparison(table, 'dynamics-off');
    const differences = without.map((value, seed) => value - (baseline[seed] ?? NaN));
    expect(delta.differences.map((value) => value.toFixed(12))).toEqual(
      differences.map((value) => value.toFixed(12)),
    );
    const shuffled = ablationTable(inputOf([...trials].reverse(), { seeds: [0, 1, 2, 3, 4] }));
    expect(comparison(shuffled, 'dynamics-off').differences).toEqual(delta.differences);
  });

  it('adjusts p and interval by the same m, and adds Holm and the permutation floor', () => {
    const delta = comparison(table, 'dynamics-off');
    const plain = pairedT(delta.differences);
    expect(delta.pBonferroni).toBeCloseTo(2 * (plain?.p ?? NaN), 12);
    expect(delta.interval).toEqual(pairedT(delta.differences, 2)?.interval);
    expect(delta.pHolm).toBeCloseTo(2 * (plain?.p ?? NaN), 12);
    expect(comparison(table, 'other').pHolm).toBeCloseTo(comparison(table, 'other').p ?? NaN, 12);
    expect(delta.permutation).toEqual({ p: 2 / 32, floor: 2 / 32, exact: true, resamples: null });
    expect(delta.conclusive).toBe(true);
    expect(delta.moreSeeds).toBeNull();
  });

  it('says how many more seeds an inconclusive difference of that size needs', () => {
    const delta = comparison(table, 'other');
    const plain = pairedT(delta.differences);
    expect(delta.conclusive).toBe(false);
    const needed = seedsForPower((plain?.mean ?? NaN) / (plain?.sd ?? NaN), 0.025);
    expect(delta.moreSeeds).toBe((needed ?? NaN) - 5);
    expect(delta.note).toContain(`${delta.moreSeeds} more seeds`);
  });

  it('says where paired t alone tells a difference, as the sign flips of so few seeds cannot', () => {
    // Two comparisons: sign flip has to reach .025, and seven seeds are the first whose floor is below that.
    expect(comparison(table, 'dynamics-off').note).toBe(
      'differs by paired t alone; sign flip cannot tell below n = 7',
    );
    const many = ablationTable(
      inputOf(
        [
          ...runs('baseline', [0.7, 0.71, 0.69, 0.7, 0.72, 0.68, 0.7]),
          ...runs('worse', [0.6, 0.612, 0.588, 0.601, 0.619, 0.581, 0.6]),
        ],
        { seeds: [0, 1, 2, 3, 4, 5, 6] },
      ),
    );
    expect(comparison(many, 'worse')).toMatchObject({ conclusive: true, note: null });
  });

  it('carries an honest header', () => {
    expect(table.incomplete).toBe(false);
    const header = table.header.join('\n');
    expect(header).toContain('conditional on fixed teachers (rn, vgg)');
    expect(header).toContain('cd'.repeat(32));
    expect(header).toContain('seeds 0, 1, 2, 3, 4');
    expect(header).toContain(
      'validation.macroF1 (of an adversarial training: by robust accuracy), chosen on validation only',
    );
    expect(header).not.toContain('named after a part');
    const leftOut = [...runs('baseline', baseline), ...runs('dynamics', without, { dynamics: 'off' })];
    expect(ablationTable(inputOf(leftOut)).header).toContain(
      'a configuration named after a part is the baseline without it: dynamics',
    );
    expect(table.sections[0]).toMatchObject({
      dataset: 'fer2013',
      protocol: 'carved',
      images: { validation: 3560, test: 3589, testDeduplicated: 3573 },
      leakRemoved: 340,
      synthetic: false,
      unequalUpdates: false,
      unequalN: false,
    });
    expect(header).toContain('340 training images removed for an exact copy in validation or test');
    expect(header).toContain('3589 test images, 3573 after deduplication');
    expect(header).toContain('equal updates: every result is trained for 1000 updates');
    expect(header).not.toMatch(/synthetic/i);
    expect(ablationTable(inputOf(trials)).header.join('\n')).not.toContain('conditional');
  });

  it('compares every test metric', () => {
    expect(comparison(table, 'dynamics-off', 'test.macroF1').mean).toBeCloseTo(
      comparison(table, 'dynamics-off').mean ?? NaN,
      12,
    );
    expect(comparison(table, 'dynamics-off', 'test.nll').mean).toBeGreaterThan(0);
    // ECE is the same everywhere: no variation, so no t and no interval, and the table says so.
    expect(comparison(table, 'dynamics-off', 'test.ece')).toMatchObject({
      mean: 0,
      t: null,
      interval: null,
      pBonferroni: null,
      note: expect.stringContaining('do not vary'),
    });
  });
});

describe('what is missing is said', () => {
  const trials: Given[] = [
    ...runs('baseline', [0.6, 0.62, 0.61]),
    { variant: 'off', seed: 0, accuracy: 0.5 },
    { variant: 'off', seed: 1, state: 'failed', reason: 'diverged at step 12' },
    { variant: 'off', seed: 2, accuracy: 0.53 },
    { variant: 'late', seed: 0, state: 'unfinished' },
    { variant: 'late', seed: 1, state: 'cancelled', reason: 'cancelled by its owner' },
    { variant: 'late', seed: 2, accuracy: 0.6 },
  ];
  const table = ablationTable(inputOf(trials));

  it('keeps failed and unfinished trials with their reasons, and drops their seed from the pairs only', () => {
    const off = comparison(table, 'off');
    expect(off.seeds).toEqual([0, 2]);
    expect(off.missing).toEqual([
      { variant: 'off', seed: 1, state: 'failed', reason: 'diverged at step 12' },
    ]);
    expect(table.trials.filter((trial) => trial.state === 'failed')).toEqual([
      { variant: 'off', seed: 1, fold: null, state: 'failed', reason: 'diverged at step 12' },
    ]);
    expect(table.sections[0]?.missing).toHaveLength(3);
  });

  it('keeps m at the planned comparisons, marks unequal n and incompleteness', () => {
    expect(table.sections[0]?.families[0]?.m).toBe(2);
    expect(table.sections[0]?.unequalN).toBe(true);
    expect(table.incomplete).toBe(true);
    expect(table.header.join('\n')).toMatch(/INCOMPLETE: 1 of 9 trials.*\n.*1 of 9 trials failed/);
  });

  it('leaves what was stopped early out of every figure, and says how many and why', () => {
    const reason = 'stopped early at epoch 3, step 30: it was not among the best';
    const stopped = (seed: number): Given => ({ variant: 'off', seed, state: 'stopped', reason });
    const early = ablationTable(
      inputOf([
        ...runs('baseline', [0.6, 0.62, 0.61]),
        ...runs('on', [0.7, 0.71, 0.72]),
        ...[0, 1, 2].map(stopped),
      ]),
    );
    expect(comparison(early, 'off')).toMatchObject({
      ...{ n: 0, mean: null, interval: null, pBonferroni: null, conclusive: false },
      missing: [0, 1, 2].map((seed) => ({ variant: 'off', seed, state: 'stopped', reason })),
    });
    const figures = early.sections[0]?.configurations.find(({ variant }) => variant === 'off');
    expect(figures).toMatchObject({
      seeds: [],
      planned: 3,
      metrics: { 'test.accuracy': { n: 0, mean: null } },
    });
    expect(early.header.join('\n')).toContain('STOPPED EARLY: 3 of 9 trials were not trained to their end');
    expect(early.incomplete).toBe(false);
    // Even where a figure was handed over.
    const handed = ablationTable(inputOf([...runs('baseline', [0.6]), { ...stopped(0), accuracy: 0.9 }]));
    expect(comparison(handed, 'off').n).toBe(0);
  });

  it('gives one seed a value and never an interval', () => {
    const late = table.sections[0]?.configurations.find((one) => one.variant === 'late');
    expect(late?.metrics['test.accuracy']).toEqual({
      n: 1,
      mean: 0.6,
      sd: null,
      interval: null,
      values: [0.6],
    });
    expect(comparison(table, 'late')).toMatchObject({ n: 1, interval: null, p: null, permutation: null });
  });

  it('never pairs trials on different test images', () => {
    const mixed = ablationTable(
      inputOf([
        ...runs('baseline', [0.6, 0.62]),
        ...runs('big', [0.7, 0.71]).map((trial) => ({ ...trial, testImages: 1000 })),
      ]),
    );
    expect(mixed.sections).toHaveLength(2);
    for (const section of mixed.sections) {
      expect(section.families[0]?.comparisons[0]).toMatchObject({ n: 0, mean: null, p: null });
    }
    expect(mixed.sections[0]?.missing.map((missing) => missing.state)).toEqual(['elsewhere', 'elsewhere']);
  });

  it('never pairs as many images of the same version, where they are other ones', () => {
    const mixed = ablationTable(
      inputOf([
        ...runs('baseline', [0.6, 0.62]),
        ...runs('other_subset', [0.7, 0.71]).map((trial) => ({ ...trial, imagesHash: 'subset of seed 1' })),
      ]),
    );
    expect(mixed.sections.map(({ images }) => images.test)).toEqual([3589, 3589]);
    for (const section of mixed.sections) {
      expect(section.families[0]?.comparisons[0]).toMatchObject({ n: 0, mean: null, p: null });
      expect(section.missing.map(({ state }) => state)).toEqual(['elsewhere', 'elsewhere']);
    }
    expect(new Set(mixed.header).size).toBe(mixed.header.length);
  });

  it('marks synthetic data and unequal updates, with the numbers', () => {
    const marked = ablationTable(
      inputOf([
        ...runs('baseline', [0.6, 0.62]).map((trial) => ({ ...trial, synthetic: true })),
        ...runs('long', [0.7, 0.71]).map((trial) => ({ ...trial, synthetic: true, updates: 2000 })),
      ]),
    );
    const header = marked.header.join('\n');
    expect(header).toMatch(/SYNTHETIC DATA: fer2013 .* is generated, not a benchmark result/);
    expect(header).toContain('UNEQUAL updates');
    expect(header).toContain('(baseline 1000; long 2000)');
    expect(marked.sections[0]).toMatchObject({ synthetic: true, unequalUpdates: true });
    expect(marked.sections[0]?.configurations.map(({ updates }) => updates)).toEqual([[1000], [2000]]);
  });

  it('has the deduplicated figures beside the whole test split', () => {
    const [own] = table.sections[0]?.configurations ?? [];
    expect(own?.metrics['testDeduplicated.accuracy'].mean).toBeCloseTo(0.61 - 0.02, 12);
    expect(renderTable(table, 'text')).toContain('test split without exact copies (3573 images)');
  });

  it('stands when every trial failed', () => {
    const failed = ablationTable(
      inputOf([{ variant: 'baseline', seed: 0, state: 'failed', reason: 'diverged at step 1' }]),
    );
    expect(failed.sections).toEqual([]);
    expect(failed.trials).toHaveLength(1);
  });

  it('refuses input that cannot be a table', () => {
    expect(() => ablationTable(inputOf(runs('off', [0.5, 0.6])))).toThrow('no baseline');
    expect(() => ablationTable(inputOf([...runs('baseline', [0.5]), ...runs('baseline', [0.6])]))).toThrow(
      'baseline seed 0 stands twice',
    );
    const { params } = inputOf(runs('baseline', [0.5]));
    expect(() => ablationTable({ params, results: {} })).toThrow('was not handed to the table');
  });
});

describe('full factorial', () => {
  // y = 0.5 + 0.1 a + 0.02 b + 0.03 ab (+ 0.05 c2), with a seed effect that pairing removes.
  const levels = (a: number, b: number, c: number) => ({
    ...(a ? { a: 'on' } : {}),
    ...(b ? { b: 'on' } : {}),
    ...(c ? { c: c === 1 ? 'one' : 'two' } : {}),
  });
  const trials = [0, 1].flatMap((a) =>
    [0, 1].flatMap((b) =>
      [0, 1, 2].flatMap((c) =>
        [0, 1, 2].map((seed) => ({
          variant: a + b + c === 0 ? 'baseline' : `a${a}b${b}c${c}`,
          factors: levels(a, b, c),
          seed,
          accuracy:
            0.5 + 0.1 * a + 0.02 * b + 0.03 * a * b + (c === 2 ? 0.05 : 0) + 0.01 * seed + 0.001 * a * seed,
        })),
      ),
    ),
  );
  const table = ablationTable(inputOf(trials, { design: 'full-factorial' }));

  it('gives main effects averaged over the other factors', () => {
    expect(comparison(table, 'a=on').differences[0]).toBeCloseTo(0.1 + 0.015, 12);
    expect(comparison(table, 'a=on').mean).toBeCloseTo(0.1 + 0.015 + 0.001, 12);
    expect(comparison(table, 'b=on').mean).toBeCloseTo(0.02 + 0.015, 12);
    expect(comparison(table, 'c=two').mean).toBeCloseTo(0.05, 12);
    expect(comparison(table, 'c=one').mean).toBeCloseTo(0, 12);
  });

  it('gives two-way interactions as differences of differences', () => {
    expect(comparison(table, 'a=on x b=on').mean).toBeCloseTo(0.03, 12);
    expect(comparison(table, 'a=on x c=two').mean).toBeCloseTo(0, 12);
    const kinds = table.sections[0]?.families[0]?.comparisons.map((one) => one.kind) ?? [];
    expect(kinds.filter((kind) => kind === 'main-effect')).toHaveLength(4);
    expect(kinds.filter((kind) => kind === 'interaction')).toHaveLength(5);
    expect(table.sections[0]?.families[0]?.m).toBe(9);
  });

  it('refuses a factorial with a hole in its plan', () => {
    const holed = trials.filter((trial) => trial.variant !== 'a1b1c0');
    expect(() => ablationTable(inputOf(holed, { design: 'full-factorial' }))).toThrow(
      'lacks the cell a=on, b=on, c=baseline',
    );
  });
});

describe('no ablation', () => {
  it('gives means and no comparisons', () => {
    const table = ablationTable(inputOf(runs('baseline', [0.5, 0.6, 0.55]), { design: 'none' }));
    expect(table.sections[0]?.families).toEqual([]);
    expect(table.sections[0]?.configurations[0]?.metrics['test.accuracy'].interval).not.toBeNull();
  });
});
