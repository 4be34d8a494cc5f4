import { augmentation, JobFailure, type JobParams, type MetricRow, type ModelSpec } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import { capture, interpret, type Program } from '../capture/index.js';
import { required } from '../required.js';
import { createModel } from '../models/index.js';
import { createOptimizer } from '../optimizers/index.js';
import { distill, supervised, type Task } from '../tasks/index.js';
import { decodeWeights } from './checkpoint.js';
import { trainingDefinition, type TrainingDefinition, type TrainingProgram } from './definition.js';
import { Run } from './run.js';

export interface TrainingInputs {
  readonly params: JobParams<'train'> | JobParams<'distill'>;
  readonly method: 'train' | 'distill';
  /** mean and std in units of x / 255. */
  readonly data: {
    readonly train: ImageSet;
    readonly validation: ImageSet;
    readonly mean: number;
    readonly std: number;
  };
  /** safetensors bytes of the teachers' best checkpoints; empty for `train`. */
  readonly teachers: readonly { readonly model: ModelSpec; readonly weights: Uint8Array }[];
  /** Weights to start from, with a fresh optimizer and schedule. */
  readonly start: Uint8Array | null;
  /** A resumable checkpoint of this very run. */
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
  /** The last weights, with the optimizer's state. */
  readonly last: Uint8Array;
  readonly bestStep: number;
  readonly bestMetric: number;
  readonly steps: number;
  /** The rows that carry validation figures. */
  readonly curve: MetricRow[];
}

/** Pictures scored at once; no result depends on it. */
export const evaluationBatch = 128;
const classes = 7;

export function channelsOf(set: ImageSet): 1 | 3 {
  if (set.channels === 1 || set.channels === 3) return set.channels;
  throw new JobFailure('user', `pictures have 1 or 3 channels, these have ${set.channels}`);
}

function taskOf({ params, method, teachers }: TrainingInputs): Task {
  const { labelSmoothing } = params.train;
  if (method === 'train') return supervised({ classes, labelSmoothing });
  if (!('method' in params)) throw new JobFailure('user', 'a distillation needs a method');
  if (teachers.length === 0) throw new JobFailure('user', 'a distillation needs at least one teacher');
  return distill({ classes, labelSmoothing, method: params.method });
}

/** The text of the program that a job's parameters describe; neither seed nor length of the run are part of it. */
export function describeTraining(inputs: TrainingInputs): TrainingProgram {
  const { params, data, teachers } = inputs;
  const { train } = params;
  const input = { size: data.train.size, channels: channelsOf(data.train), classes };
  if (data.train.count < train.batch)
    throw new JobFailure(
      'user',
      `train.batch is ${train.batch}, but there are only ${data.train.count} training images: expected at most as many`,
    );
  return {
    student: createModel(params.model, input),
    teachers: teachers.map(({ model }) => createModel(model, input)),
    task: taskOf(inputs),
    optimizer: createOptimizer(train.optimizer),
    augment: augmentation(train.augment),
    batch: train.batch,
    images: { size: input.size, channels: input.channels, count: data.train.count },
    normalisation: { mean: data.mean, std: data.std },
    evaluationBatch,
  };
}

type TrainingSession = Program<
  TrainingDefinition['state'],
  TrainingDefinition['inputs'],
  'train' | 'evaluate'
>;

function openSession(definition: TrainingDefinition, execution: 'captured' | 'eager'): TrainingSession {
  return execution === 'captured' ? capture(definition) : interpret(definition);
}

/**
 * Trains a network, from labels alone or from teachers. The same inputs give the same bits (on one CPU type, with one
 * thread count and set of library flags), whether the run is interrupted and resumed or not.
 *
 * A checkpoint at the end of an epoch is taken before its evaluation, which the resumed run does (again): the row of
 * that update, with the evaluation's figures, is then told by the resumed run.
 *
 * @throws TrainingStopped when the signal asked for it: after a checkpoint at the next step boundary, or between two
 *   batches of an evaluation, before which a checkpoint was taken
 * @throws JobFailure `diverged` at the first loss, weight or optimizer state found not finite (weights are looked at
 *   for every checkpoint, and none that is not finite is handed out); `user` for inputs that do not fit together
 */
export async function runTraining(inputs: TrainingInputs, options: TrainingOptions): Promise<TrainingResult> {
  const program = describeTraining(inputs);
  const session = openSession(trainingDefinition(program), options.execution ?? 'captured');
  try {
    const teachers = inputs.teachers.map(({ weights }, index) =>
      decodeWeights(required(program.teachers[index], 'the teacher'), weights),
    );
    return await new Run(inputs, options, program, session, teachers).complete();
  } finally {
    session.dispose();
  }
}
