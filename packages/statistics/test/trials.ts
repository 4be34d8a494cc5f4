import type { EvaluationResult, RobustnessResult, SplitMetrics } from '@ferment/contracts';
import type { AblationInput, AblationParams } from '../src/index.js';

type Trial = AblationParams['trials'][number];

export interface Given {
  variant: string;
  factors?: Record<string, string>;
  seed: number;
  fold?: number;
  /** Test accuracy, or the state and reason of a trial without one. */
  accuracy?: number;
  state?: Trial['state'];
  reason?: string;
  testImages?: number;
  /** Names the test images: trials with different ones are on different images of one version. */
  imagesHash?: string;
  updates?: number;
  synthetic?: boolean;
  robustness?: RobustnessResult;
  trainedOn?: string;
  aligned?: string[];
}

export function splitMetrics(accuracy: number, images: number): SplitMetrics {
  return {
    images,
    accuracy,
    macroF1: accuracy - 0.05,
    f1: Array.from({ length: 7 }, () => accuracy),
    nll: 2 - accuracy,
    ece: 0.1,
    confusion: Array.from({ length: 7 }, () => Array.from({ length: 7 }, () => 0)),
  };
}

/** The table's input for trials given by their test accuracies (validation: 0.01 above). */
export function inputOf(trials: Given[], params: Partial<AblationParams> = {}): AblationInput {
  const results: Record<string, EvaluationResult> = {};
  const rows = trials.map((given): Trial => {
    const { variant, factors, seed, fold = null, accuracy, state, reason, testImages = 3589 } = given;
    const hash = `${variant}/${seed}${fold === null ? '' : `/${fold}`}`;
    if (accuracy !== undefined) {
      results[hash] = {
        dataset: 'fer2013',
        datasetVersion: 'ab'.repeat(32),
        protocol: 'carved',
        synthetic: given.synthetic ?? false,
        leakRemoved: 340,
        images: { validation: 'validation', test: given.imagesHash ?? `the ${testImages}` },
        updates: given.updates ?? 1000,
        splits: {
          validation: splitMetrics(accuracy + 0.01, 3560),
          test: splitMetrics(accuracy, testImages),
        },
        testDeduplicated: { images: testImages - 16, accuracy: accuracy - 0.02, macroF1: accuracy - 0.06 },
        parameters: 1000,
        macs: 1000,
        testTime: 'none',
        robustness: given.robustness ?? null,
      };
    }
    return {
      variant,
      factors: factors ?? {},
      seed,
      fold,
      state: state ?? 'succeeded',
      reason: reason ?? null,
      metrics: accuracy === undefined ? {} : { fer2013: hash },
      trainedOn: given.trainedOn ?? 'fer2013',
      aligned: given.aligned ?? [],
    };
  });
  return {
    params: {
      experiment: 'eadd',
      specHash: 'cd'.repeat(32),
      design: 'one-at-a-time',
      baseline: 'baseline',
      seeds: [...new Set(trials.map((trial) => trial.seed))],
      fixedStages: [],
      selectMetric: 'validation.macroF1',
      trials: rows,
      ...params,
    },
    results,
  };
}

/** One trial for each accuracy, seeds from 0. */
export function runs(variant: string, accuracies: number[], factors: Record<string, string> = {}): Given[] {
  return accuracies.map((accuracy, seed) => ({ variant, seed, accuracy, factors }));
}
