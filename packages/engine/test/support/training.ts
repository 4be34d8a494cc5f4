import {
  distillMethodSpec,
  trainSpec,
  type DistillMethodSpec,
  type JobParams,
  type MetricRow,
  type ModelSpec,
} from '@ferment/contracts';
import { createModel } from '../../src/models/index.js';
import { weightsToTensors } from '../../src/files/weights.js';
import { readSafetensors, writeSafetensors } from '../../src/files/safetensors.js';
import { randomStream } from '../../src/random/index.js';
import {
  runTraining,
  type Teacher,
  type TrainingInputs,
  type TrainingResult,
} from '../../src/train/index.js';
import { patternImages } from './pattern-images.js';

export const size = 32;
const version = 'a'.repeat(64);

export type TrainOverrides = Partial<JobParams<'train'>['train']>;

export const plainTrain: JobParams<'train'>['train'] = trainSpec.parse({
  epochs: 2,
  batch: 8,
  schedule: { name: 'cosine', warmup: 0.5 },
  labelSmoothing: 0.1,
  threads: 1,
});

/** Everything at once that may be combined. */
export const everyOption: TrainOverrides = {
  accumulate: 2,
  clip: 0.5,
  ema: 0.9,
  recalibrate: 2,
  augment: {
    ...{ flip: 0.5, shift: 2, rotation: 10, scale: [0.9, 1.1], brightness: 0.2, contrast: 0.2, cutout: 6 },
    randAugment: { operations: 2, magnitude: 4 },
  },
  mixup: 0.4,
  cutmix: 1,
  rebalance: { method: 'class-weights' },
  freeze: ['features.0'],
  layerRates: { features: 0.5, 'features.1': 0.25 },
  schedule: { name: 'plateau', warmup: 0.2, factor: 0.5, patience: 0, threshold: 0.01 },
};
export const tinyVgg: ModelSpec = { name: 'vgg', width: 0.25, dropout: 0.1 };

/** Freshly initialised weights, as a teacher's checkpoint would hold them. */
export function initialWeights(spec: ModelSpec, seed: number): Uint8Array {
  const model = createModel(spec, { size, channels: 1 });
  const values = model.variables.map(
    ({ name, shape, initial }) => [name, initial(randomStream(seed, name), shape)] as const,
  );
  return writeSafetensors(weightsToTensors(model, Object.fromEntries(values)));
}

/** A teacher with a temperature and logits out of fold, which a method that does not read them passes over. */
function teacherOf(model: ModelSpec, index: number, images: number): Teacher {
  const random = randomStream(index, 'out of fold');
  return {
    model,
    weights: initialWeights(model, 100 + index),
    temperature: 1.5 + index,
    outOfFold: Float32Array.from(
      { length: images * 7 },
      (_, at) =>
        // The pattern's label is its place modulo 7: right more often than not.
        random.normal() + (at % 7 === Math.floor(at / 7) % 7 ? 1 : 0),
    ),
  };
}

interface Wanted {
  readonly model?: ModelSpec;
  readonly teachers?: readonly ModelSpec[];
  /** Default kd. */
  readonly method?: DistillMethodSpec;
  readonly seed?: number;
  readonly train?: TrainOverrides;
  readonly images?: number;
  readonly resume?: Uint8Array;
  readonly start?: Uint8Array;
}

/** A small job: 40 training and 20 validation pictures of 32 pixels, 5 updates an epoch. */
export function smallJob(wanted: Wanted = {}): TrainingInputs {
  const { teachers = [], resume = null, start = null } = wanted;
  const train: JobParams<'train'>['train'] = { ...plainTrain, ...wanted.train };
  if (wanted.train?.updates !== undefined) delete train.epochs;
  const params: JobParams<'train'> = {
    data: {
      dataset: 'patterns',
      version,
      labels: 'fer',
      classes: 7,
      protocol: 'official',
      preprocess: { size, channels: 1 },
      subset: null,
    },
    model: wanted.model ?? tinyVgg,
    train,
    select: { metric: 'validation.macroF1' },
    seed: wanted.seed ?? 3,
  };
  const method = wanted.method ?? distillMethodSpec.parse({ name: 'kd' });
  return {
    params: teachers.length > 0 ? { ...params, method } : params,
    method: teachers.length > 0 ? 'distill' : 'train',
    data: {
      train: patternImages(wanted.images ?? 40, size, 1),
      validation: patternImages(20, size, 2),
      mean: 0.5,
      std: 0.25,
    },
    teachers: teachers.map((model, index) => teacherOf(model, index, wanted.images ?? 40)),
    start,
    resume,
  };
}

export interface Trained {
  readonly result: TrainingResult;
  readonly rows: MetricRow[];
  readonly checkpoints: { step: number; epoch: number; bytes: Uint8Array }[];
}

interface TrainOptions {
  readonly execution?: 'captured' | 'eager';
  readonly checkpointEverySteps?: number;
  readonly signal?: AbortSignal;
  readonly onRow?: (row: MetricRow) => void;
  readonly onCheckpoint?: (checkpoint: { step: number }) => void;
}

export class Collected {
  readonly rows: MetricRow[] = [];
  readonly checkpoints: { step: number; epoch: number; bytes: Uint8Array }[] = [];
}

/** Runs a job and keeps all it tells; `collected` holds what was told when the run does not finish. */
export async function trained(
  inputs: TrainingInputs,
  { onRow, onCheckpoint, signal, ...options }: TrainOptions = {},
  collected = new Collected(),
): Promise<Trained> {
  const { rows, checkpoints } = collected;
  const result = await runTraining(inputs, {
    ...options,
    signal: signal ?? new AbortController().signal,
    sink: {
      metrics(row) {
        rows.push(row);
        onRow?.(row);
      },
      async checkpoint(checkpoint) {
        checkpoints.push(checkpoint);
        onCheckpoint?.(checkpoint);
      },
      progress() {},
    },
  });
  return { result, rows, checkpoints };
}

/** Largest difference of two checkpoints' tensors, each relative to the tensor's largest value. */
export function largestDifference(a: Uint8Array, b: Uint8Array): number {
  const [left, right] = [readSafetensors(a).tensors, readSafetensors(b).tensors];
  if (Object.keys(left).join() !== Object.keys(right).join())
    throw new Error('the checkpoints hold other tensors');
  let largest = 0;
  for (const [name, { data }] of Object.entries(left)) {
    const other = right[name];
    if (!(data instanceof Float32Array) || !(other?.data instanceof Float32Array)) continue;
    const theirs = other.data;
    const scale = theirs.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
    data.forEach((value, index) => {
      largest = Math.max(largest, Math.abs(value - (theirs[index] ?? Number.NaN)) / scale);
    });
  }
  return largest;
}

/** A row without what depends on the clock. */
export function timeless({ step, epoch, values }: MetricRow): unknown {
  const { 'train.imagesPerSecond': _, ...rest } = values;
  return { step, epoch, values: rest };
}
