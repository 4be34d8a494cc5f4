import { JobFailure, type JobParams, type MetricRow } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import type { Network } from './network.js';

/** A frozen network to learn from. */
export type Teacher = Network & {
  /** For series such as `eadd.weight.NAME.happy`; default `teacher0`, `teacher1`, … */
  readonly name?: string;
  /** The temperature that calibrates its logits, fitted on validation; needed where the method is `calibrated`. */
  readonly temperature?: number;
  /**
   * Logits of every training image, row-major [images, classes], each by a network of the teacher's kind that did not
   * see the image; needed by `eadd` for class strengths, and used for reliability.
   */
  readonly outOfFold?: Float32Array;
};

export interface TrainingInputs {
  readonly params: JobParams<'train'> | JobParams<'distill'> | JobParams<'adversarial'>;
  readonly method: 'train' | 'distill' | 'adversarial';
  /** mean and std in units of x / 255. */
  readonly data: {
    readonly train: ImageSet;
    readonly validation: ImageSet;
    readonly mean: number;
    readonly std: number;
  };
  /** Empty but for `distill`. */
  readonly teachers: readonly Teacher[];
  /** Weights to start from, with a fresh optimizer and schedule. */
  readonly start: Uint8Array | null;
  /** A resumable checkpoint of this very run, or what one left that was to stop after an earlier epoch. */
  readonly resume: Uint8Array | null;
}

/** Receives what a run has to tell; the engine itself writes nowhere. */
export interface TrainingSink {
  /** One row for every update; the last of an epoch carries the validation figures. */
  metrics(row: MetricRow): void;
  checkpoint(checkpoint: { step: number; epoch: number; bytes: Uint8Array }): Promise<void>;
  progress(progress: { step: number; steps: number; imagesPerSecond: number }): void;
}

export interface TrainingOptions {
  readonly sink: TrainingSink;
  readonly signal: AbortSignal;
  /** A checkpoint every so many updates, besides the one at the end of each epoch; default none. */
  readonly checkpointEverySteps?: number;
  /** `eager` runs op by op, for debugging; the results agree to rounding. Default `captured`. */
  readonly execution?: 'captured' | 'eager';
}

export interface TrainingResult {
  /** Weights and buffers with the best value of the selected metric. */
  readonly best: Uint8Array;
  /** The last weights, with the optimizer's state; of a run with `untilEpoch` a state to go on from. */
  readonly last: Uint8Array;
  /** Weights and buffers with the best robust validation accuracy; null but for an adversarial training. */
  readonly robust: Uint8Array | null;
  readonly bestStep: number;
  readonly bestMetric: number;
  /** Of the whole run, and those that were done: fewer where it was to stop after an epoch. */
  readonly steps: number;
  readonly doneSteps: number;
  /** The rows that carry validation figures. */
  readonly curve: MetricRow[];
}

/** Pictures scored at once; no result depends on it. */
export const evaluationBatch = 128;
export const classes = 7;

export function channelsOf(set: ImageSet): 1 | 3 {
  if (set.channels === 1 || set.channels === 3) return set.channels;
  throw new JobFailure('user', `pictures have 1 or 3 channels, these have ${set.channels}`);
}
