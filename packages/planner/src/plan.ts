import {
  baselineName,
  canonicalSpec,
  memberStages,
  runSpec,
  specWarnings,
  stageTraining,
  variantsOf,
  variantSpec,
  type ExperimentSpec,
  type Plan,
  type PlannedTrial,
} from '@ferment/contracts';
import { sha256Of } from './content-key.js';
import { splitSizes, updatesOf } from './cost.js';
import { JobGraph } from './graph.js';
import type { Known } from './known.js';
import { dataWarnings, foldsOfData, pinnedDataOf, pinSpec } from './resolve.js';
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
 * @param spec as resolveSpec returns it, without problems
 * @throws Error where the spec is not pinned or a variant does not parse, which resolveSpec reports as problems
 */
export function plan(spec: ExperimentSpec, known: Known, options: PlanOptions = {}): Plan {
  pinnedDataOf(spec, null);
  const graph = new JobGraph(known, options.fresh);
  const trials: PlannedTrial[] = [];
  const variants: Plan['variants'] = [];
  for (const variant of variantsOf(spec.ablation)) {
    const made = variantSpec(spec, variant);
    if (made.spec === null) {
      throw new Error(
        `variant "${variant.name}": ${made.findings.map((finding) => finding.message).join('; ')}`,
      );
    }
    const own = pinSpec(made.spec, known).spec;
    variants.push({ name: variant.name, factors: variant.factors, spec: own });
    const { name, factors } = variant;
    const folds = foldsOfData(own).map((fold) => ({ fold, jobsOf: graph.configuration(own, fold) }));
    for (const seed of spec.seeds) {
      for (const { fold, jobsOf } of folds)
        trials.push({ variant: name, factors, seed, fold, jobs: jobsOf(seed) });
    }
  }
  const fixed = new Set(variants.flatMap((variant) => fixedStages(variant.spec)));
  const made = { variants, trials, fixedStages: [...fixed] };
  return {
    // How it is worked on is not part of what it is.
    specHash: sha256Of(canonicalSpec({ ...spec, run: runSpec.parse({}) })),
    baseline: baselineName,
    ...made,
    jobs: [...graph.jobs.values()],
    warnings: [...dataWarnings(spec, known), ...planWarnings(spec, made, known)],
  };
}

/** What a person should know before these trials run: none of it stops them. */
function planWarnings(
  spec: ExperimentSpec,
  { variants, trials, fixedStages: fixed }: Pick<Plan, 'variants' | 'trials' | 'fixedStages'>,
  known: Known,
): string[] {
  const warnings: string[] = [];
  const reached = new Set(variants.flatMap((variant) => reachableStages(variant.spec)));
  for (const stage of Object.keys(spec.stages)) {
    if (!reached.has(stage))
      warnings.push(`stage "${stage}" does not lead to the result of any variant: it is not run`);
  }
  if (spec.seeds.length === 1 && variants.length > 1) {
    warnings.push('one seed: the table can show no interval and no test');
  }
  if (spec.seeds.length > 1 && fixed.includes(spec.result)) {
    warnings.push(
      `stage "${spec.result}" is the result and names its own seed: its trials are one run, not replicates`,
    );
  }
  warnings.push(...new Set(variants.flatMap((variant) => specWarnings(variant.spec))));
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
