import {
  ablationTable as ablationTableSchema,
  tableMetrics,
  type AblationTable,
  type EvaluationResult,
  type JobParams,
  type MissingResult,
  type TableSection,
} from '@ferment/contracts';
import { metricOf, type Cell } from './cells.js';
import { families } from './compare.js';
import { contrasts, type Contrast, type Variant } from './contrasts.js';
import { foldsFirst, type SeedResult, type SeedTrials } from './folds.js';
import { headerLines } from './header.js';
import { summarise } from './summary.js';

export type AblationParams = JobParams<'ablation'>;
type Trial = AblationParams['trials'][number];

export interface AblationInput {
  readonly params: AblationParams;
  /** Each trial's evaluations by the hash that `params.trials[].metrics` gives. */
  readonly results: Readonly<Record<string, EvaluationResult>>;
}

/** Two-sided level of every interval and test, and the power that the seed notes aim at. */
export const tableAlpha = 0.05;
export const tablePower = 0.8;

/**
 * The ablation table of finished and unfinished trials: configuration means over seeds with 95 % t-intervals, and
 * contrasts paired by seed with Bonferroni-adjusted p and simultaneous intervals, Holm's p, the sign-flip permutation
 * p and the seeds still needed. Figures are averaged over folds first, where there are folds. Each data set with its own test images is a section; trials are paired within one only.
 *
 * @throws RangeError for a trial given twice, an evaluation that was not handed over, or a design without its baseline
 */
export function ablationTable({ params, results }: AblationInput): AblationTable {
  refuseRepeats(params.trials);
  const perSeed = foldsFirst(params.trials, results);
  const variants = variantsOf(params);
  const plan = params.design === 'none' ? [] : contrasts(params.design, variants, params.baseline);
  const seeds = [...new Set([...params.seeds, ...params.trials.map((trial) => trial.seed)])];
  const sections = sectionsOf(perSeed).map((first) =>
    section(first, params.baseline, perSeed, variants, plan, seeds),
  );
  const incomplete = params.trials.some((trial) => trial.state === 'unfinished');
  const trials = params.trials.map(({ variant, seed, fold, state, reason }) => ({
    variant,
    seed,
    fold,
    state,
    reason,
  }));
  const table = {
    tableVersion: 2 as const,
    experiment: params.experiment,
    specHash: params.specHash,
    design: params.design,
    baseline: params.baseline,
    seeds,
    alpha: tableAlpha,
    power: tablePower,
    incomplete,
    fixedStages: params.fixedStages,
    selectMetric: params.selectMetric,
    trials,
    sections,
  };
  return ablationTableSchema.parse({ ...table, header: headerLines(table) });
}

function refuseRepeats(trials: readonly Trial[]): void {
  const seen = new Set<string>();
  for (const { variant, seed, fold } of trials) {
    const key = `${variant} seed ${seed}${fold === null ? '' : ` fold ${fold}`}`;
    if (seen.has(key)) throw new RangeError(`trial ${key} stands twice in the table's input: expected once`);
    seen.add(key);
  }
}

/** Variants in the order of the trials, the baseline first. */
function variantsOf(params: AblationParams): Variant[] {
  const byName = new Map<string, Variant>();
  for (const { variant, factors } of params.trials) {
    if (!byName.has(variant)) byName.set(variant, { name: variant, factors });
  }
  const isBaseline = (variant: Variant) => variant.name === params.baseline;
  const all = [...byName.values()];
  return [...all.filter(isBaseline), ...all.filter((variant) => !isBaseline(variant))];
}

/** What makes figures comparable: the same pictures of the same version, under the same protocol. */
const sameImages = (a: EvaluationResult, b: EvaluationResult) =>
  a.dataset === b.dataset &&
  a.datasetVersion === b.datasetVersion &&
  a.protocol === b.protocol &&
  a.images.validation === b.images.validation &&
  a.images.test === b.images.test;

const evaluations = (trial: Trial, results: SeedTrials['results']): SeedResult[] =>
  trial.state === 'succeeded' ? Object.values(trial.metrics).flatMap((key) => results[key] ?? []) : [];

/** One evaluation for each set of test images, in the order of the trials: it stands for its section. */
function sectionsOf({ trials, results }: SeedTrials): SeedResult[] {
  const sections: SeedResult[] = [];
  for (const result of trials.flatMap((trial) => evaluations(trial, results))) {
    if (!sections.some((known) => sameImages(known, result))) sections.push(result);
  }
  return sections;
}

function section(
  first: SeedResult,
  baseline: string,
  { trials, results }: SeedTrials,
  variants: readonly Variant[],
  plan: readonly Contrast[],
  seeds: readonly number[],
): TableSection {
  const cells: Cell[] = trials.map((trial) => {
    const result = evaluations(trial, results).find((candidate) => sameImages(candidate, first)) ?? null;
    return { trial, result, missing: result ? null : missing(trial) };
  });
  const configurations = variants.map((variant) => {
    const own = cells.filter((cell) => cell.trial.variant === variant.name);
    const inOrder = seeds.flatMap((seed) => own.find((cell) => cell.trial.seed === seed) ?? []);
    const present = inOrder.flatMap(({ trial, result }) => (result ? [{ seed: trial.seed, result }] : []));
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
      planned: own.length,
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

function missing({ variant, seed, state, reason }: Trial): MissingResult {
  if (state === 'succeeded') {
    return { variant, seed, state: 'elsewhere', reason: 'not evaluated on these images: never paired here' };
  }
  return { variant, seed, state, reason: reason ?? (state === 'unfinished' ? 'not ended yet' : state) };
}
