import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { experimentTables as schema, type RobustnessTable } from '@ferment/contracts';
import {
  ablationTable,
  epsilonText,
  experimentTables,
  pairedT,
  robustnessTable,
  withoutMeasuredTimes,
  type AblationInput,
} from '../src/index.js';
import { attacked, attackedRuns, hashOfAttacked, radii, withClassCounts } from './attacked.js';
import { inputOf, runs } from './trials.js';

function tableOf(input: AblationInput): RobustnessTable {
  const table = robustnessTable(input);
  if (!table) throw new Error('no robustness table');
  return table;
}

function sectionOf(table: RobustnessTable, index = 0) {
  const section = table.sections[index];
  if (!section) throw new Error(`no section ${index}`);
  return section;
}

function configurationOf(table: RobustnessTable, variant: string) {
  const found = sectionOf(table).configurations.find((one) => one.variant === variant);
  if (!found) throw new Error(`no configuration ${variant}`);
  return found;
}

const keyOf = (table: RobustnessTable, title: string) => {
  const column = sectionOf(table).columns.find((one) => one.title === title);
  if (!column)
    throw new Error(
      `no column ${title}: ${sectionOf(table)
        .columns.map((one) => one.title)
        .join(', ')}`,
    );
  return column.key;
};

const baseline = [0.3, 0.32, 0.31];
const trained = [0.38, 0.404, 0.388];

describe('robustness table', () => {
  const corruptions = { brightness: [0.5, 0.4], contrast: [0.3, 0.2] } as const;
  const table = tableOf(
    inputOf([
      ...attackedRuns('baseline', baseline, () => ({ corruptions })),
      ...attackedRuns('trades', trained, () => ({ corruptions })),
    ]),
  );

  it('has a column for each attack at each radius, the worst case beside them, then corruptions and cost', () => {
    expect(sectionOf(table).columns.map(({ title }) => title)).toEqual([
      'clean',
      'clean, attacked images',
      'FGSM at 2/255',
      'PGD-20 at 2/255',
      'worst case at 2/255',
      'FGSM at 8/255',
      'PGD-20 at 8/255',
      'worst case at 8/255',
      'corruption mean accuracy',
      'mean corruption error',
      'ECE',
      'macro-F1',
      'parameters',
      'MACs',
      'latency median, 1 thread (ms, measured)',
      'latency p95, 1 thread (ms, measured)',
    ]);
  });

  it('gives the mean and the 95 % t-interval over seeds', () => {
    const cell = configurationOf(table, 'baseline').cells[keyOf(table, 'worst case at 8/255')];
    // t(.975, 2) = 4.302653 (tables); sd of .30 .32 .31 is .01.
    const half = (4.302652729911275 * 0.01) / Math.sqrt(3);
    expect(cell).toMatchObject({ n: 3, seeds: [0, 1, 2], values: baseline });
    expect(cell?.mean).toBeCloseTo(0.31, 12);
    expect(cell?.interval?.low).toBeCloseTo(0.31 - half, 10);
    expect(cell?.interval?.high).toBeCloseTo(0.31 + half, 10);
  });

  it('averages corruptions over severities, then kinds, and gives the error without a reference', () => {
    const { cells } = configurationOf(table, 'trades');
    expect(cells[keyOf(table, 'corruption mean accuracy')]?.mean).toBeCloseTo((0.45 + 0.25) / 2, 12);
    expect(cells[keyOf(table, 'mean corruption error')]?.mean).toBeCloseTo(1 - 0.35, 12);
    const { corruptions: kept } = attacked({ corruptions });
    const uneven = inputOf(attackedRuns('baseline', baseline));
    for (const result of Object.values(uneven.results)) {
      result.robustness = { ...attacked(), corruptions: kept.filter((one) => one.accuracy !== 0.2) };
    }
    const evenKinds = tableOf(uneven);
    // Brightness (.5 + .4) / 2 and contrast .3 weigh the same, though one has two severities.
    expect(
      configurationOf(evenKinds, 'baseline').cells[keyOf(evenKinds, 'corruption mean accuracy')]?.mean,
    ).toBeCloseTo(0.375, 12);
  });

  it('compares the worst case at the largest radius, paired by seed', () => {
    const [family] = sectionOf(table).families;
    expect(family).toMatchObject({ column: keyOf(table, 'worst case at 8/255'), m: 1 });
    const differences = trained.map((value, seed) => value - (baseline[seed] ?? NaN));
    const [comparison] = family?.comparisons ?? [];
    const plain = pairedT(differences);
    expect(comparison?.name).toBe('trades');
    expect(comparison?.p).toBeCloseTo(plain?.p ?? NaN, 12);
    expect(comparison?.interval?.low).toBeCloseTo(plain?.interval.low ?? NaN, 12);
  });

  it('adjusts over all planned comparisons, as the ablation table does', () => {
    const three = tableOf(
      inputOf([
        ...attackedRuns('baseline', baseline),
        ...attackedRuns('trades', trained),
        ...attackedRuns('pgd-at', [0.37, 0.36, 0.39]),
      ]),
    );
    const [family] = sectionOf(three).families;
    expect(family?.m).toBe(2);
    for (const comparison of family?.comparisons ?? []) {
      expect(comparison.pBonferroni).toBeCloseTo(Math.min(1, 2 * (comparison.p ?? NaN)), 12);
    }
  });

  it('has the accuracy of each class, null classes left out', () => {
    const classes = configurationOf(table, 'baseline').perClass[keyOf(table, 'PGD-20 at 8/255')];
    expect(classes).toHaveLength(7);
    expect(classes?.[0]).toMatchObject({ n: 3 });
    expect(classes?.[0]?.mean).toBeCloseTo(0.32, 12);
    expect(classes?.[1]).toEqual({ n: 0, mean: null, sd: null, interval: null });
  });

  it('says what was attacked, how, and on which images', () => {
    const header = table.header.join('\n');
    expect(header).toContain('cd'.repeat(32));
    expect(header).toContain('seeds 0, 1, 2');
    expect(header).toContain(
      `test split of 3589 images; attacked: the first 1000 (${hashOfAttacked.slice(0, 12)})`,
    );
    expect(header).toContain('FGSM: one step, at 2/255, 8/255');
    expect(header).toContain('PGD-20: 20 steps of 2.5 epsilon / 20, 1 random start, at 2/255, 8/255');
    expect(header).toContain('brightness (severity 1, 2), contrast (severity 1, 2)');
    expect(header).toContain('latency is measured');
    expect(header).not.toMatch(/SUSPECT|SYNTHETIC|FEWER|INCOMPLETE|UNCHECKED|preprocessing/);
    expect(table.suspect).toBe(false);
  });

  it('is stored beside the ablation table, which it does not change', () => {
    const input = inputOf([...attackedRuns('baseline', baseline), ...attackedRuns('trades', trained)]);
    const tables = experimentTables(input);
    const { robustness, ...ablation } = tables;
    expect(ablation).toEqual(ablationTable(input));
    expect(robustness).toEqual(robustnessTable(input));
    expect(schema.parse(JSON.parse(JSON.stringify(tables)))).toEqual(tables);
  });

  it('is null where nothing was attacked or corrupted', () => {
    expect(robustnessTable(inputOf(runs('baseline', [0.5, 0.6])))).toBeNull();
    expect(experimentTables(inputOf(runs('baseline', [0.5, 0.6]))).robustness).toBeNull();
  });
});

describe('what a reader must see', () => {
  it('a failed check marks section and table, with the seeds and what was found', () => {
    const failed = {
      check: 'iterative-not-weaker-than-single-step' as const,
      passed: false,
      detail: 'PGD-20 .4100, FGSM .4000 at 8/255',
    };
    const passed = { check: 'inside-ball-and-range' as const, passed: true, detail: '' };
    const table = tableOf(
      inputOf([
        ...attackedRuns('baseline', baseline, () => ({ sanity: [passed] })),
        ...attackedRuns('trades', trained, (seed) => ({ sanity: seed === 1 ? [passed, failed] : [passed] })),
      ]),
    );
    expect(table.suspect).toBe(true);
    expect(sectionOf(table).suspect).toBe(true);
    expect(configurationOf(table, 'trades').failedChecks).toEqual([
      {
        variant: 'trades',
        check: 'iterative-not-weaker-than-single-step',
        failures: [{ seed: 1, detail: failed.detail }],
      },
    ]);
    expect(configurationOf(table, 'baseline').failedChecks).toEqual([]);
    expect(table.header[0]).toMatch(/^SUSPECT: fer2013 .*: 1 of 7 sanity checks failed \(trades\)/);
  });

  it('attacks without any check are marked as unchecked', () => {
    const table = tableOf(inputOf(attackedRuns('baseline', baseline, () => ({ sanity: [] }))));
    expect(table.header[0]).toMatch(/^UNCHECKED/);
  });

  it('one seed has a value and no interval, and fewer than three are marked', () => {
    const table = tableOf(
      inputOf([
        ...attackedRuns('baseline', baseline),
        ...attackedRuns('one', [0.2]),
        ...attackedRuns('two', [0.2, 0.25]),
      ]),
    );
    const cell = configurationOf(table, 'one').cells[keyOf(table, 'worst case at 8/255')];
    expect(cell).toEqual({ n: 1, mean: 0.2, sd: null, interval: null, seeds: [0], values: [0.2] });
    expect(sectionOf(table)).toMatchObject({ fewSeeds: ['one', 'two'], unequalN: true });
    expect(table.header).toContain('FEWER THAN 3 SEEDS: one, two');
  });

  it('says what one answer to everything would score, and who does not beat it', () => {
    const trials = [...attackedRuns('baseline', [0.2, 0.22, 0.21]), ...attackedRuns('trades', trained)];
    const counts = [100, 100, 100, 250, 150, 150, 150];
    const part = tableOf(withClassCounts(trials, counts, 3000));
    expect(sectionOf(part).majority).toEqual({ class: 'happy', accuracy: 0.25, of: 'test' });
    const header = part.header.join('\n');
    expect(header).toContain('always answering "happy" is right on 0.2500 of the whole test split');
    expect(header).toMatch(/NOT ABOVE ONE ANSWER TO EVERYTHING: .*worst case at 8\/255: baseline$/m);
    const whole = tableOf(withClassCounts(trials, counts, 1000));
    expect(sectionOf(whole).majority?.of).toBe('attacked');
  });

  it('across data sets it says on what was trained, and marks synthetic and aligned pictures', () => {
    const trials = attackedRuns('baseline', baseline).map((trial) => ({
      ...trial,
      trainedOn: 'kdef',
      synthetic: true,
    }));
    const across = tableOf(inputOf(trials));
    expect(sectionOf(across)).toMatchObject({ acrossDatasets: true, trainedOn: ['kdef'], synthetic: true });
    expect(across.header.join('\n')).toContain('trained on kdef, tested on fer2013');
    expect(across.header.join('\n')).toContain('SYNTHETIC DATA: fer2013');
    const aligned = tableOf(
      inputOf(attackedRuns('baseline', baseline).map((trial) => ({ ...trial, aligned: ['fer2013'] }))),
    );
    expect(sectionOf(aligned)).toMatchObject({ attackAfterPreprocessing: true, acrossDatasets: false });
    expect(aligned.header.join('\n')).toContain('attack after preprocessing');
    const elsewhere = attackedRuns('baseline', baseline).map((trial) => ({ ...trial, aligned: ['kdef'] }));
    expect(sectionOf(tableOf(inputOf(elsewhere))).attackAfterPreprocessing).toBe(false);
  });

  it('never puts figures of other images, other attacks or other unions together', () => {
    const images = tableOf(
      inputOf([
        ...attackedRuns('baseline', baseline),
        ...attackedRuns('other', trained, () => ({ imagesHash: 'other images' })),
      ]),
    );
    expect(images.sections).toHaveLength(2);
    expect(sectionOf(images).missing.map(({ variant, state }) => [variant, state])).toEqual(
      [0, 1, 2].map(() => ['other', 'elsewhere']),
    );
    expect(sectionOf(images).families[0]?.comparisons[0]).toMatchObject({ n: 0, p: null });

    const attacks = tableOf(
      inputOf([
        ...attackedRuns('baseline', baseline),
        ...attackedRuns('other', trained, () => ({ pgdSteps: 100 })),
      ]),
    );
    const { columns, families } = sectionOf(attacks);
    expect(columns.filter(({ kind }) => kind === 'worst-case')).toHaveLength(4);
    expect(columns.filter(({ epsilon }) => epsilon === radii[1]).map(({ title }) => title)).toEqual([
      'FGSM at 8/255',
      'PGD-20 at 8/255',
      'PGD-100 at 8/255',
      'worst case at 8/255',
      'worst case at 8/255',
    ]);
    const own = configurationOf(attacks, 'baseline').cells;
    expect(own[families[0]?.column ?? '']?.n).toBe(3);
    expect(families[0]?.comparisons[0]).toMatchObject({ n: 0, mean: null });
    expect(families[0]?.comparisons[0]?.missing[0]).toMatchObject({ variant: 'other', state: 'elsewhere' });
  });

  it('keeps failed and unfinished trials, and those that were not attacked, with their reasons', () => {
    const table = tableOf(
      inputOf([
        ...attackedRuns('baseline', baseline),
        { variant: 'off', seed: 0, state: 'failed', reason: 'diverged at step 12' },
        { variant: 'off', seed: 1, state: 'unfinished' },
        { variant: 'off', seed: 2, accuracy: 0.5 },
      ]),
    );
    expect(table.incomplete).toBe(true);
    expect(sectionOf(table).missing).toEqual([
      { variant: 'off', seed: 0, state: 'failed', reason: 'diverged at step 12' },
      { variant: 'off', seed: 1, state: 'unfinished', reason: 'not ended yet' },
      {
        variant: 'off',
        seed: 2,
        state: 'elsewhere',
        reason: 'not attacked on these images: never paired here',
      },
    ]);
    expect(table.header.join('\n')).toMatch(/INCOMPLETE: 1 of 6 trials.*\n.*1 of 6 trials failed/);
  });
});

describe('folds', () => {
  const ofFold = (fold: number, accuracies: readonly number[], rest: Parameters<typeof attackedRuns>[2]) =>
    attackedRuns('baseline', accuracies, rest).map((trial) => ({
      ...trial,
      fold,
      imagesHash: `fold ${fold}`,
    }));
  const failed = { check: 'no-vanishing-gradients' as const, passed: false, detail: '12 of 50 are zero' };

  it('are averaged first: n counts seeds, images are counted together, failed checks name their fold', () => {
    const table = tableOf(
      inputOf([
        ...ofFold(0, [0.2, 0.3, 0.4], () => ({ images: 50, imagesHash: 'first' })),
        ...ofFold(1, [0.4, 0.3, 0.6], (seed) => ({
          images: 40,
          imagesHash: 'second',
          latency: { median: 8, p95: 10 },
          sanity: seed === 2 ? [failed] : [],
        })),
      ]),
    );
    const { cells, failedChecks } = configurationOf(table, 'baseline');
    expect(table.sections).toHaveLength(1);
    const worst = cells[keyOf(table, 'worst case at 8/255')];
    expect(worst?.values.map((value) => value.toFixed(12))).toEqual(
      [0.3, 0.3, 0.5].map((value) => value.toFixed(12)),
    );
    expect(worst?.n).toBe(3);
    expect(sectionOf(table).images.attacked).toBe(90);
    expect(cells[keyOf(table, 'latency median, 1 thread (ms, measured)')]?.mean).toBe(6);
    expect(failedChecks[0]?.failures).toEqual([{ seed: 2, detail: 'fold 1: 12 of 50 are zero' }]);
    expect(table.header.join('\n')).toContain('3 seeds x 2 folds, averaged over folds first');
  });

  it('that were not attacked alike give no figure', () => {
    const mixed = inputOf([
      ...ofFold(0, [0.2, 0.3], () => ({})),
      ...ofFold(1, [0.4, 0.3], () => ({ pgdSteps: 100 })),
    ]);
    expect(robustnessTable(mixed)).toBeNull();
  });
});

describe('radii', () => {
  it('are printed as 255ths where they are', () => {
    expect([1 / 255, 8 / 255, 0.5 / 255, 0.03, 1].map(epsilonText)).toEqual([
      '1/255',
      '8/255',
      '0.5/255',
      '0.03',
      '255/255',
    ]);
  });
});

describe('properties', () => {
  const accuracy = fc.integer({ min: 0, max: 1000 }).map((value) => value / 1000);
  const accuracies = fc.array(accuracy, { minLength: 3, maxLength: 6 });
  const time = fc.double({ min: 0.01, max: 1000, noNaN: true });

  it('measured times change nothing but their own columns', () => {
    fc.assert(
      fc.property(
        accuracies,
        accuracies,
        fc.array(time, { minLength: 12, maxLength: 12 }),
        (first, second, times) => {
          const timed = (latency: (index: number) => number) =>
            tableOf(
              inputOf([
                ...attackedRuns('baseline', first, (seed) => ({
                  latency: { median: latency(seed), p95: 2 * latency(seed) },
                })),
                ...attackedRuns('other', second, (seed) => ({
                  latency: { median: latency(6 + seed), p95: 3 * latency(6 + seed) },
                })),
              ]),
            );
          const [one, two] = [timed((index) => times[index] ?? 1), timed((index) => 1 + index)];
          expect(withoutMeasuredTimes(one)).toEqual(withoutMeasuredTimes(two));
          expect(JSON.stringify(withoutMeasuredTimes(one))).not.toContain('latency-');
        },
      ),
      { numRuns: 30 },
    );
  });

  it('does not see the order of the trials, and every mean lies in its interval and its range', () => {
    fc.assert(
      fc.property(accuracies, accuracies, (first, second) => {
        const trials = [...attackedRuns('baseline', first), ...attackedRuns('other', second)];
        const seeds = [...new Set(trials.map(({ seed }) => seed))];
        const table = tableOf(inputOf(trials, { seeds }));
        const turned = tableOf(inputOf([...trials].reverse(), { seeds }));
        expect(turned.sections).toEqual(table.sections);
        for (const { cells } of sectionOf(table).configurations) {
          for (const { values, mean, interval } of Object.values(cells)) {
            expect(mean).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9 * Math.abs(mean ?? 0));
            expect(mean).toBeLessThanOrEqual(Math.max(...values) + 1e-9 * Math.abs(mean ?? 0));
            expect(interval?.low).toBeLessThanOrEqual(mean ?? NaN);
            expect(interval?.high).toBeGreaterThanOrEqual(mean ?? NaN);
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});
