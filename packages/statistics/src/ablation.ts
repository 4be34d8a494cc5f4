import {
  ablationTable as ablationTableSchema,
  tableMetrics,
  type AblationTable,
  type TableSection,
} from '@ferment/contracts';
import {
  cellsOf,
  cellsOfVariant,
  metricOf,
  sameImages,
  sectionsOf,
  type AblationInput,
  type SectionRule,
} from './cells.js';
import { families } from './compare.js';
import { designOf, experimentOf, tableAlpha, tablePower, type Design } from './design.js';
import { foldsFirst, type SeedResult, type SeedTrials } from './folds.js';
import { headerLines } from './header.js';
import { summarise } from './summary.js';

const rule: SectionRule = { same: sameImages, elsewhere: 'not evaluated on these images: never paired here' };

/**
 * The ablation table of finished and unfinished trials: configuration means over seeds with 95 % t-intervals, and
 * contrasts paired by seed with Bonferroni-adjusted p and simultaneous intervals, Holm's p, the sign-flip permutation
 * p and the seeds still needed. Figures are averaged over folds first, where there are folds. Each data set with its
 * own test images is a section; trials are paired within one only.
 *
 * @throws RangeError for a trial given twice, an evaluation that was not handed over, or a design without its baseline
 */
export function ablationTable({ params, results }: AblationInput): AblationTable {
  const design = designOf(params);
  const perSeed = foldsFirst(params.trials, results);
  const table = {
    tableVersion: 3 as const,
    ...experimentOf(params, design),
    selectMetric: params.selectMetric,
    sections: sectionsOf(perSeed, rule).map((first) => section(first, params.baseline, perSeed, design)),
  };
  return ablationTableSchema.parse({ ...table, header: headerLines(table) });
}

function section(
  first: SeedResult,
  baseline: string,
  perSeed: SeedTrials,
  { variants, plan, seeds }: Design,
): TableSection {
  const cells = cellsOf(first, perSeed, rule);
  const configurations = variants.map((variant) => {
    const { planned, present } = cellsOfVariant(cells, variant.name, seeds);
    const metrics = Object.fromEntries(
      tableMetrics.map((metric) => {
        const values = present.flatMap(({ result }) => metricOf(result, metric) ?? []);
        return [metric, { ...summarise(values, tableAlpha), values }];
      }),
    ) as TableSection['configurations'][number]['metrics'];
    return {
      variant: variant.name,
      factors: { ...variant.factors },
      baseline: variant.name === baseline,
      seeds: present.map(({ seed }) => seed),
      planned,
      updates: [...new Set(present.flatMap(({ result }) => result.allUpdates))],
      metrics,
    };
  });
  return {
    dataset: first.dataset,
    datasetVersion: first.datasetVersion,
    protocol: first.protocol,
    ...(first.angles !== undefined && { angles: first.angles }),
    images: {
      validation: first.splits.validation?.images ?? null,
      test: first.splits.test.images,
      testDeduplicated: first.testDeduplicated.images,
    },
    leakRemoved: first.leakRemoved,
    synthetic: first.synthetic,
    configurations,
    families: families(plan, cells, seeds, { alpha: tableAlpha, power: tablePower }),
    missing: cells.flatMap((cell) => cell.missing ?? []),
    unequalN: new Set(configurations.map((configuration) => configuration.seeds.length)).size > 1,
    unequalUpdates: new Set(configurations.flatMap((configuration) => configuration.updates)).size > 1,
  };
}
