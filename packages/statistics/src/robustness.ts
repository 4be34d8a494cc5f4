import {
  emotions,
  robustnessTable as robustnessTableSchema,
  type ExperimentTables,
  type RobustnessColumn,
  type RobustnessConfiguration,
  type RobustnessFamily,
  type RobustnessSection,
  type RobustnessTable,
} from '@ferment/contracts';
import { ablationTable } from './ablation.js';
import {
  cellsOf,
  cellsOfVariant,
  sameImages,
  sectionsOf,
  type AblationInput,
  type Cell,
  type SectionRule,
} from './cells.js';
import { comparisonsOf } from './compare.js';
import type { Variant } from './contrasts.js';
import { foldsFirst, type SeedResult, type SeedTrials } from './folds.js';
import { designOf, experimentOf, tableAlpha, tablePower, type Design } from './design.js';
import {
  columnsOf,
  isRobust,
  readingsOf,
  type Reading,
  type RobustEvaluation,
} from './robustness-columns.js';
import { robustnessHeader } from './robustness-header.js';
import { summarise } from './summary.js';

/** Means of fewer seeds than this are marked. */
export const fewestSeeds = 3;

/** A section has one set of test images and one set of attacked images. */
const rule: SectionRule = {
  same: (a, b) =>
    isRobust(a) && isRobust(b) && sameImages(a, b) && a.robustness.imagesHash === b.robustness.imagesHash,
  elsewhere: 'not attacked on these images: never paired here',
};

/** Both tables of an experiment, as an `ablation` job stores them. */
export function experimentTables(input: AblationInput): ExperimentTables {
  return { ...ablationTable(input), robustness: robustnessTable(input) };
}

/**
 * The robustness table of finished and unfinished trials: for every configuration the mean over seeds with its 95 %
 * t-interval of accuracy, clean, under each attack at each radius, in the worst case over the attacks and under
 * corruptions, of calibration, macro-F1 and cost; the failed sanity checks; and differences of the worst case at the
 * largest radius, paired by seed and adjusted as in the ablation table.
 *
 * @returns null where no trial has been attacked or corrupted
 * @throws RangeError as `ablationTable`
 */
export function robustnessTable({ params, results }: AblationInput): RobustnessTable | null {
  const design = designOf(params);
  const perSeed = foldsFirst(params.trials, results);
  const sections = sectionsOf(perSeed, rule).filter(isRobust);
  if (sections.length === 0) return null;
  const filled = sections.map((first) => section(first, params.baseline, perSeed, design));
  const table = {
    ...experimentOf(params, design),
    suspect: filled.some(({ suspect }) => suspect),
    sections: filled,
  };
  return robustnessTableSchema.parse({ ...table, header: robustnessHeader(table) });
}

/** The part of a table that equal inputs repeat bit for bit: all but measured times. */
export function withoutMeasuredTimes(table: RobustnessTable): RobustnessTable {
  return {
    ...table,
    sections: table.sections.map((one) => {
      const columns = one.columns.filter(({ measured }) => !measured);
      const kept = new Set(columns.map(({ key }) => key));
      return {
        ...one,
        columns,
        configurations: one.configurations.map((configuration) => ({
          ...configuration,
          cells: Object.fromEntries(Object.entries(configuration.cells).filter(([key]) => kept.has(key))),
        })),
      };
    }),
  };
}

function section(
  first: RobustEvaluation,
  baseline: string,
  perSeed: SeedTrials,
  design: Design,
): RobustnessSection {
  const cells = cellsOf(first, perSeed, rule);
  const evaluations = cells.flatMap(({ result }) => (result && isRobust(result) ? [result] : []));
  const configurations = design.variants.map((variant) =>
    configurationOf(variant, cells, design.seeds, variant.name === baseline),
  );
  const columns = columnsOf(evaluations);
  const trainedOn = [...new Set(configurations.flatMap((configuration) => configuration.trainedOn))];
  const withFigures = configurations.filter(({ seeds }) => seeds.length > 0);
  return {
    dataset: first.dataset,
    datasetVersion: first.datasetVersion,
    protocol: first.protocol,
    ...(first.angles !== undefined && { angles: first.angles }),
    synthetic: first.synthetic,
    trainedOn,
    acrossDatasets: trainedOn.some((dataset) => dataset !== first.dataset),
    attackAfterPreprocessing: cells.some(
      ({ trial, result }) => result !== null && trial.aligned.includes(first.dataset),
    ),
    images: { test: first.splits.test.images, attacked: first.robustness.images },
    imagesHash: first.robustness.imagesHash,
    majority: majorityOf(first),
    corruptions: corruptionsOf(evaluations),
    columns,
    configurations,
    families: familiesOf(columns, configurations, cells, design),
    missing: cells.flatMap((cell) => cell.missing ?? []),
    suspect: configurations.some(({ failedChecks }) => failedChecks.length > 0),
    fewSeeds: withFigures.filter(({ seeds }) => seeds.length < fewestSeeds).map(({ variant }) => variant),
    unequalN: new Set(configurations.map(({ seeds }) => seeds.length)).size > 1,
  };
}

interface Read {
  readonly seed: number;
  readonly result: RobustEvaluation;
  readonly readings: readonly Reading[];
}

function configurationOf(
  { name, factors }: Variant,
  cells: readonly Cell[],
  seeds: readonly number[],
  baseline: boolean,
): RobustnessConfiguration {
  const { planned, present } = cellsOfVariant(cells, name, seeds);
  const read = present.flatMap(({ seed, result }): Read[] =>
    isRobust(result) ? [{ seed, result, readings: readingsOf(result) }] : [],
  );
  const columns = columnsOf(read.map(({ result }) => result));
  return {
    variant: name,
    factors: { ...factors },
    baseline,
    seeds: read.map(({ seed }) => seed),
    planned,
    trainedOn: [...new Set(present.flatMap(({ trial }) => trial.trainedOn ?? []))],
    cells: Object.fromEntries(columns.map(({ key }) => [key, cellOf(key, read)])),
    perClass: Object.fromEntries(columns.flatMap(({ key }) => perClassOf(key, read))),
    checks: read.reduce((sum, { result }) => sum + result.robustness.sanity.length, 0),
    failedChecks: failedChecksOf(name, read),
  };
}

const readingIn = ({ readings }: Read, key: string) => readings.find(({ column }) => column.key === key);

function cellOf(key: string, read: readonly Read[]): RobustnessConfiguration['cells'][string] {
  const found = read.flatMap((one) => {
    const reading = readingIn(one, key);
    return reading ? [{ seed: one.seed, value: reading.value }] : [];
  });
  const values = found.map(({ value }) => value);
  return { ...summarise(values, tableAlpha), seeds: found.map(({ seed }) => seed), values };
}

/** Nothing for columns whose evaluations do not tell classes apart. */
function perClassOf(
  key: string,
  read: readonly Read[],
): [string, RobustnessConfiguration['perClass'][string]][] {
  const known = read.flatMap((one) => readingIn(one, key)?.perClass ?? []);
  if (known.length === 0) return [];
  const byClass = emotions.map((_, index) =>
    summarise(
      read.flatMap((one) => readingIn(one, key)?.perClass?.[index] ?? []),
      tableAlpha,
    ),
  );
  return [[key, byClass]];
}

function failedChecksOf(variant: string, read: readonly Read[]): RobustnessConfiguration['failedChecks'] {
  const failures = read.flatMap(({ seed, result }) =>
    result.robustness.sanity
      .filter(({ passed }) => !passed)
      .map(({ check, detail }) => ({ seed, check, detail })),
  );
  return [...new Set(failures.map(({ check }) => check))].map((check) => ({
    variant,
    check,
    failures: failures
      .filter((failure) => failure.check === check)
      .map(({ seed, detail }) => ({ seed, detail })),
  }));
}

/** Differences of the worst case at the largest radius: over the baseline's attacks, where it has figures. */
function familiesOf(
  columns: readonly RobustnessColumn[],
  configurations: readonly RobustnessConfiguration[],
  cells: readonly Cell[],
  { plan, seeds }: Design,
): RobustnessFamily[] {
  if (plan.length === 0) return [];
  const baseline = configurations.find((configuration) => configuration.baseline);
  const worst = columns.filter(({ kind }) => kind === 'worst-case');
  const own = worst.filter(({ key }) => baseline?.cells[key] !== undefined);
  const compared = (own.length > 0 ? own : worst).at(-1);
  if (!compared) return [];
  const read = (result: SeedResult) =>
    isRobust(result)
      ? (readingsOf(result).find(({ column }) => column.key === compared.key)?.value ?? null)
      : null;
  return [
    {
      column: compared.key,
      m: plan.length,
      comparisons: comparisonsOf(plan, cells, seeds, read, { alpha: tableAlpha, power: tablePower }),
    },
  ];
}

/** What always answering with the most frequent class would score. */
function majorityOf({ splits, robustness }: RobustEvaluation): RobustnessSection['majority'] {
  const counts = splits.test.confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const most = Math.max(...counts);
  const emotion = emotions[counts.indexOf(most)];
  if (total === 0 || emotion === undefined) return null;
  const whole = robustness.images === splits.test.images;
  return { class: emotion, accuracy: most / total, of: whole ? 'attacked' : 'test' };
}

function corruptionsOf(evaluations: readonly RobustEvaluation[]): RobustnessSection['corruptions'] {
  const all = evaluations.flatMap(({ robustness }) => robustness.corruptions);
  return [...new Set(all.map(({ kind }) => kind))].map((kind) => ({
    kind,
    severities: [...new Set(all.filter((one) => one.kind === kind).map(({ severity }) => severity))].sort(
      (a, b) => a - b,
    ),
  }));
}
