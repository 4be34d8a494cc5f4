import type { EvaluationResult, JobParams, SplitMetrics } from '@ferment/contracts';
import { averagedRobustness } from './robustness-folds.js';
import { mean } from './summary.js';

type Trial = JobParams<'ablation'>['trials'][number];

/** One seed's figures: of one evaluation, or the mean of its folds'. */
export interface SeedResult extends EvaluationResult {
  /** Optimizer steps of each network behind the figures, each number once. */
  readonly allUpdates: readonly number[];
}

export interface SeedTrials {
  /** One a variant and seed; `metrics` names entries of `results`. */
  readonly trials: readonly Trial[];
  readonly results: Readonly<Record<string, SeedResult>>;
}

/**
 * Makes one trial of the folds of each variant and seed, with the mean of their figures: networks of one seed share
 * most of their training pictures, so folds are no replicates, and seeds are what is replicated. A seed whose folds
 * have not all succeeded has no figures; its reason names the folds. Trials without folds pass as they are.
 *
 * @throws RangeError where an evaluation of a succeeded trial was not handed over
 */
export function foldsFirst(
  trials: readonly Trial[],
  results: Readonly<Record<string, EvaluationResult>>,
): SeedTrials {
  const made: Record<string, SeedResult> = {};
  const merged: Trial[] = [];
  for (const group of grouped(trials)) {
    const [first] = group;
    if (first === undefined) continue;
    const state = first.fold === null ? first : stateOf(group);
    const metrics: Record<string, string> = {};
    if (state.state === 'succeeded') {
      for (const dataset of Object.keys(first.metrics)) {
        const found = group.flatMap((trial) => resultOf(trial, dataset, results) ?? []);
        if (found.length < group.length) continue;
        const key = found.map(({ hash }) => hash).join('+');
        made[key] = averaged(found);
        metrics[dataset] = key;
      }
    }
    const { state: reached, reason } = state;
    merged.push({ ...first, fold: null, state: reached, reason, metrics });
  }
  return { trials: merged, results: made };
}

/** Folds of one variant and seed together, in order of folds; the groups in order of their first trials. */
function grouped(trials: readonly Trial[]): Trial[][] {
  const groups = new Map<string, Trial[]>();
  for (const trial of trials) {
    const key = `${trial.variant}/${trial.seed}`;
    groups.set(key, [...(groups.get(key) ?? []), trial]);
  }
  return [...groups.values()].map((group) => group.sort((a, b) => (a.fold ?? 0) - (b.fold ?? 0)));
}

/** The worst state among folds, with what each lacking fold says. */
function stateOf(folds: readonly Trial[]): Pick<Trial, 'state' | 'reason'> {
  const order = ['failed', 'cancelled', 'stopped', 'unfinished'] as const;
  const lacking = folds.filter(({ state }) => state !== 'succeeded');
  const state = order.find((each) => lacking.some((trial) => trial.state === each));
  if (state === undefined) return { state: 'succeeded', reason: null };
  const reasons = lacking.map((trial) => `fold ${trial.fold}: ${trial.reason ?? words[trial.state]}`);
  return { state, reason: `averaged over folds first, and not all have ended well (${reasons.join('; ')})` };
}

const words: Readonly<Record<Trial['state'], string>> = {
  succeeded: 'succeeded',
  stopped: 'stopped early',
  failed: 'failed',
  cancelled: 'cancelled',
  unfinished: 'not ended yet',
};

interface FoldResult {
  readonly hash: string;
  readonly fold: number | null;
  readonly result: EvaluationResult;
}

function resultOf(
  trial: Trial,
  dataset: string,
  results: Readonly<Record<string, EvaluationResult>>,
): FoldResult | null {
  const hash = trial.metrics[dataset];
  if (hash === undefined) return null;
  const result = results[hash];
  if (result === undefined) {
    const fold = trial.fold === null ? '' : ` fold ${trial.fold}`;
    throw new RangeError(
      `the evaluation ${hash} of ${trial.variant} seed ${trial.seed}${fold} on ${dataset} was not handed to the table`,
    );
  }
  return { hash, fold: trial.fold, result };
}

/**
 * The mean of folds' figures. Folds with test images of their own count them together; folds that are scored on the
 * same images count them once.
 */
function averaged(group: readonly FoldResult[]): SeedResult {
  const folds = group.map(({ result }) => result);
  const [first] = folds;
  if (first === undefined) throw new RangeError('expected at least one fold');
  const allUpdates = [...new Set(folds.map(({ updates }) => updates))];
  if (folds.length === 1) return { ...first, allUpdates };
  const apart = (hashes: readonly string[]): boolean => new Set(hashes).size > 1;
  const hashOf = (hashes: readonly string[]): string =>
    apart(hashes) ? hashes.join('+') : (hashes[0] ?? '');
  const tests = folds.map(({ images }) => images.test);
  const validations = folds.map(({ images }) => images.validation);
  const total = (values: readonly number[], distinct: boolean): number =>
    distinct ? values.reduce((sum, value) => sum + value, 0) : (values[0] ?? 0);
  const deduplicated = folds.map((fold) => fold.testDeduplicated);
  const validation = folds.flatMap(({ splits }) => splits.validation ?? []);
  return {
    ...first,
    allUpdates,
    robustness: averagedRobustness(group.map(({ fold, result: { robustness } }) => ({ fold, robustness }))),
    leakRemoved: total(
      folds.map(({ leakRemoved }) => leakRemoved),
      apart(tests),
    ),
    images: { validation: hashOf(validations), test: hashOf(tests) },
    splits: {
      validation: validation.length < folds.length ? null : averagedSplit(validation, apart(validations)),
      test: averagedSplit(
        folds.map(({ splits }) => splits.test),
        apart(tests),
      ),
    },
    testDeduplicated: {
      images: total(
        deduplicated.map(({ images }) => images),
        apart(tests),
      ),
      accuracy: mean(deduplicated.map(({ accuracy }) => accuracy)),
      macroF1: mean(deduplicated.map(({ macroF1 }) => macroF1)),
    },
  };
}

function averagedSplit(folds: readonly SplitMetrics[], distinct: boolean): SplitMetrics {
  const [first] = folds;
  if (first === undefined) throw new RangeError('expected at least one fold');
  const of = (figure: 'accuracy' | 'macroF1' | 'nll' | 'ece'): number =>
    mean(folds.map((fold) => fold[figure]));
  return {
    images: distinct ? folds.reduce((sum, { images }) => sum + images, 0) : first.images,
    accuracy: of('accuracy'),
    macroF1: of('macroF1'),
    nll: of('nll'),
    ece: of('ece'),
    f1: first.f1.map((_, label) => mean(folds.map(({ f1 }) => f1[label] ?? 0))),
    confusion: first.confusion.map((row, given) =>
      row.map((_, predicted) =>
        folds.reduce((sum, { confusion }) => sum + (confusion[given]?.[predicted] ?? 0), 0),
      ),
    ),
  };
}
