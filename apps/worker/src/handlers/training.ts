import { JobFailure, type JobKind, type JobParams } from '@ferment/contracts';
import type { Split } from '@ferment/datasets';
import { computedOn } from '../child/computed-on.js';
import type { HandlerContext } from '../child/context.js';
import type { HandlerOutcome } from './handler.js';

/** A checkpoint at least this often, so that a lost attempt repeats little; one before every evaluation comes besides. */
const checkpointEverySteps = 100;

interface Training {
  method: 'train' | 'distill';
  params: JobParams<'train'> | JobParams<'distill'>;
  parts: Split;
  teachers: { model: JobParams<'train'>['model']; weights: Uint8Array }[];
  start: Uint8Array | null;
  resume: Uint8Array | null;
}

/** Runs the engine's trainer, with its events going to the context. */
export async function trainNetwork<K extends JobKind & ('train' | 'distill')>(
  training: Training,
  context: HandlerContext,
): Promise<HandlerOutcome<K>> {
  // Loaded here, so that children for imports and tables never start TensorFlow.
  const { nativeVersion, runTraining } = await import('@ferment/engine');
  const { method, params, parts, teachers, start, resume } = training;
  const { train, validation, test, mean, std, leakRemoved } = parts;
  if (train.count === 0)
    throw new JobFailure('user', 'no image to train on: a training on "subject-folds" needs data.fold');
  const trained = await runTraining(
    { method, params, data: { train, validation, mean, std }, teachers, start, resume },
    {
      sink: {
        metrics: (row) => context.metrics(row),
        checkpoint: (checkpoint) => context.checkpoint(checkpoint),
        progress: ({ step, steps, imagesPerSecond }) =>
          context.progress({
            done: step,
            total: steps,
            unit: 'steps',
            rate: imagesPerSecond / params.train.batch,
          }),
      },
      signal: context.signal,
      checkpointEverySteps,
    },
  );
  const { best, last, bestStep, bestMetric, steps } = trained;
  return {
    outputs: { best, last } as HandlerOutcome<K>['outputs'],
    result: {
      steps,
      bestStep,
      bestMetric,
      selectMetric: params.select.metric,
      images: { train: train.count, validation: validation.count, test: test.count },
      leakRemoved,
      mean,
      std,
      computedOn: { ...computedOn(params.train.threads, nativeVersion()) },
    },
  };
}
