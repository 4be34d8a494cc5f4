import {
  baselineName,
  canonicalSpec,
  memberStages,
  isTrainingKind,
  plannedConfigurations,
  runSpec,
  searchVariant,
  searchWarnings,
  specWarnings,
  stageOf,
  stageTraining,
  variantsOf,
  variantSpec,
  type ExperimentSpec,
  type Plan,
  type PlannedTrial,
  type SearchValues,
  type Variant,
} from '@ferment/contracts';
import { sha256Of } from './content-key.js';
import { epochsOf, splitSizes, updatesOf } from './cost.js';
import { JobGraph } from './graph.js';
import type { Known } from './known.js';
import { dataWarnings, foldsOfData, pinnedDataOf, pinSpec, refusalsOf } from './resolve.js';
import { decisionEpochs } from './search/stopping.js';
import { nextValues, type Observed } from './search/sampler.js';
import { fixedStages, reachableStages } from './stages.js';

/** Warnings of one sort that are listed. */
const mostAlike = 5;

export interface PlanOptions {
  /** Any text that makes every key unlike those of earlier work, so that everything is computed anew. */
  fresh?: string;
}

/**
 * Expands a spec into its trials (variants times seeds, and times folds where the data have them) and the graph of distinct jobs behind them.
 *
 * Of a search these are configurations drawn without any result, and with early stopping all parts of every training:
 * about what it takes at most. What is really run is planned bit by bit (see {@link planStudy}, {@link planPoint}).
 *
 * @param spec as resolveSpec returns it, without problems
 * @throws Error where the spec is not pinned or a variant does not parse, which resolveSpec reports as problems
 */
export function plan(spec: ExperimentSpec, known: Known, options: PlanOptions = {}): Plan {
  pinnedDataOf(spec, null);
  const graph = new JobGraph(known, options.fresh);
  const all = spec.search ? drawnVariants(spec) : variantsOf(spec.ablation);
  const made = expanded(spec, known, all, (own, fold) => {
    const epochs = decisionsOf(spec, own, known);
    return graph.configuration(own, fold, { epochs, reached: epochs.length });
  });
  const whole = planOf(spec, known, made, [...graph.jobs.values()]);
  const planned = spec.search ? plannedConfigurations(spec.search) : 0;
  if (planned <= mostDrawn) return whole;
  const uncounted = `only the first ${mostDrawn} of ${planned} configurations are counted here`;
  return { ...whole, warnings: [...whole.warnings, uncounted] };
}

/** Configurations of a preview of a search are drawn up to this many: the rest is alike. */
const mostDrawn = 1000;

function drawnVariants(spec: ExperimentSpec): Variant[] {
  const { search } = spec;
  const variants: Variant[] = [];
  if (!search) return variants;
  const observed: Observed[] = [];
  while (observed.length < Math.min(mostDrawn, search.trials ?? mostDrawn)) {
    const values = nextValues(search, observed);
    if (values === null) break;
    observed.push({ values, state: 'undecided', loss: null, epochs: 0 });
    const variant = searchVariant(observed.length, values);
    if (variantSpec(spec, variant).spec !== null) variants.push(variant);
  }
  return variants;
}

/**
 * A study before anything of it is begun: of an ablation with early stopping all trials, of a search none; no jobs.
 *
 * @see plan
 */
export function planStudy(spec: ExperimentSpec, known: Known): Plan {
  const all = spec.search ? [] : variantsOf(spec.ablation);
  return planOf(
    spec,
    known,
    expanded(spec, known, all, () => () => ({})),
    [],
  );
}

/** One configuration of a study, with what early stopping lets it do. */
export interface PointPlan {
  variant: Plan['variants'][number];
  /** After which epochs it is decided whether it goes on. */
  decisions: number[];
  trials: PlannedTrial[];
  jobs: Plan['jobs'];
  fixedStages: string[];
}

/** What cannot be run, in words. */
export interface PointRefusal {
  variant: Pick<Plan['variants'][number], 'name' | 'factors'>;
  refused: string;
}

/**
 * The trials of one configuration of a study and their jobs, as far as it may go now.
 *
 * @param point   `number` from 1; `values` of a search (an ablation's are its variant's)
 * @param reached decisions that let it go on: 0 when it begins
 */
export function planPoint(
  spec: ExperimentSpec,
  known: Known,
  point: { number: number; values: SearchValues },
  reached: number,
  options: PlanOptions = {},
): PointPlan | PointRefusal {
  const variant = spec.search
    ? searchVariant(point.number, point.values)
    : variantsOf(spec.ablation)[point.number - 1];
  if (!variant) throw new Error(`the ablation has no configuration ${point.number}`);
  const { name, factors } = variant;
  const made = variantSpec(spec, variant);
  const findings = made.spec === null ? made.findings : refusalsOf(made.spec, known);
  if (made.spec === null || findings.length > 0)
    return { variant: { name, factors }, refused: findings.map(({ message }) => message).join('; ') };
  const graph = new JobGraph(known, options.fresh);
  let decisions: number[] = [];
  const {
    variants,
    trials,
    fixedStages: fixed,
  } = expanded(spec, known, [variant], (own, fold) => {
    decisions = decisionsOf(spec, own, known);
    return graph.configuration(own, fold, { epochs: decisions, reached });
  });
  const [planned] = variants;
  if (!planned) throw new Error('a variant is planned');
  return { variant: planned, decisions, trials, jobs: [...graph.jobs.values()], fixedStages: fixed };
}

/** After which epochs early stopping looks at a configuration; never, where its result is not trained. */
function decisionsOf({ earlyStop }: ExperimentSpec, own: ExperimentSpec, known: Known): number[] {
  if (!earlyStop || !isTrainingKind(stageOf(own, own.result)?.kind ?? '')) return [];
  const train = stageTraining(own, own.result)?.train;
  if (!train) return [];
  const [fold = null] = foldsOfData(own);
  const sizes = splitSizes(known, pinnedDataOf(own, fold));
  const epochs = train.epochs ?? (sizes && epochsOf(train, sizes.train));
  return epochs === null ? [] : decisionEpochs(earlyStop, epochs);
}

type Expanded = Pick<Plan, 'variants' | 'trials' | 'fixedStages'>;

function expanded(
  spec: ExperimentSpec,
  known: Known,
  all: readonly Variant[],
  jobsOfFold: (own: ExperimentSpec, fold: number | null) => (seed: number) => Record<string, string>,
): Expanded {
  const trials: PlannedTrial[] = [];
  const variants: Plan['variants'] = [];
  for (const variant of all) {
    const made = variantSpec(spec, variant);
    if (made.spec === null) {
      throw new Error(
        `variant "${variant.name}": ${made.findings.map((finding) => finding.message).join('; ')}`,
      );
    }
    const own = pinSpec(made.spec, known).spec;
    variants.push({ name: variant.name, factors: variant.factors, spec: own });
    const { name, factors } = variant;
    const folds = foldsOfData(own).map((fold) => ({ fold, jobsOf: jobsOfFold(own, fold) }));
    for (const seed of spec.seeds) {
      for (const { fold, jobsOf } of folds)
        trials.push({ variant: name, factors, seed, fold, jobs: jobsOf(seed) });
    }
  }
  const fixed = new Set(variants.flatMap((variant) => fixedStages(variant.spec)));
  return { variants, trials, fixedStages: [...fixed] };
}

function planOf(spec: ExperimentSpec, known: Known, made: Expanded, jobs: Plan['jobs']): Plan {
  return {
    // How it is worked on is not part of what it is.
    specHash: sha256Of(canonicalSpec({ ...spec, run: runSpec.parse({}) })),
    baseline: baselineName,
    ...made,
    jobs,
    warnings: [...dataWarnings(spec, known), ...searchWarnings(spec), ...planWarnings(spec, made, known)],
  };
}

/** What a person should know before these trials run: none of it stops them. */
function planWarnings(
  spec: ExperimentSpec,
  { variants, trials, fixedStages: fixed }: Pick<Plan, 'variants' | 'trials' | 'fixedStages'>,
  known: Known,
): string[] {
  const warnings: string[] = [];
  // A search tests nothing, and its configurations differ because they are meant to.
  const compared = spec.search === undefined;
  const configurations = variants.length > 0 ? variants.map((variant) => variant.spec) : [spec];
  const reached = new Set(configurations.flatMap((own) => reachableStages(own)));
  for (const stage of Object.keys(spec.stages)) {
    if (!reached.has(stage))
      warnings.push(`stage "${stage}" does not lead to the result of any variant: it is not run`);
  }
  if (compared && spec.seeds.length === 1 && variants.length > 1) {
    warnings.push('one seed: the table can show no interval and no test');
  }
  if (spec.seeds.length > 1 && fixed.includes(spec.result)) {
    warnings.push(
      `stage "${spec.result}" is the result and names its own seed: its trials are one run, not replicates`,
    );
  }
  warnings.push(...new Set(configurations.flatMap((own) => specWarnings(own))));
  if (!compared) return warnings;
  return [...warnings, ...capped(sameWork(variants, trials)), ...capped(unequalUpdates(variants, known))];
}

/** The first few of warnings of one sort, and how many more there are. */
function capped(warnings: string[]): string[] {
  if (warnings.length <= mostAlike) return warnings;
  return [...warnings.slice(0, mostAlike), `… and ${warnings.length - mostAlike} more like it`];
}

/** Variants whose result is the same job: their delta is zero by construction. */
function sameWork(variants: Plan['variants'], trials: readonly PlannedTrial[]): string[] {
  const first = new Map<string, string>();
  const warnings = new Set<string>();
  const results = new Map(variants.map((variant) => [variant.name, variant.spec.result]));
  for (const trial of trials) {
    const key = trial.jobs[results.get(trial.variant) ?? ''] ?? '';
    const place = `${key} ${trial.seed} ${trial.fold}`;
    const other = first.get(place);
    if (other === undefined) first.set(place, trial.variant);
    else
      warnings.add(`variants "${other}" and "${trial.variant}" are the same work: their difference is zero`);
  }
  return [...warnings];
}

/** Variants that train their result for another number of updates than the baseline. */
function unequalUpdates(variants: Plan['variants'], known: Known): string[] {
  const updates = variants.map(({ name, spec }) => {
    const [fold = null] = foldsOfData(spec);
    const sizes = splitSizes(known, pinnedDataOf(spec, fold));
    const trained = memberStages(spec, spec.result).flatMap((stage) => stageTraining(spec, stage) ?? []);
    const all = sizes && trained.map(({ train }) => updatesOf(train, sizes.train));
    return { name, updates: all && all.length > 0 ? all.join(' + ') : null };
  });
  const baseline = updates[0]?.updates ?? null;
  return updates
    .filter((variant) => variant.updates !== baseline)
    .map(
      (variant) =>
        `variant "${variant.name}" trains its result for ${variant.updates} updates, the baseline for ${baseline}`,
    );
}
