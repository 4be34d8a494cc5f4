import { JobFailure, type JobParams, type TrainingKind } from '@ferment/contracts';
import type { Split } from '@ferment/datasets';
import type { Teacher } from '@ferment/engine';
import { computedOn } from '../child/computed-on.js';
import type { HandlerContext } from '../child/context.js';
import type { Json } from '../protocol.js';

/** A checkpoint at least this often, so that a lost attempt repeats little; one before every evaluation comes besides. */
const checkpointEverySteps = 100;

interface Training {
  method: TrainingKind;
  params: JobParams<TrainingKind>;
  parts: Split;
  teachers: Teacher[];
  start: Uint8Array | null;
  resume: Uint8Array | null;
}

interface Trained {
  outputs: { best: Uint8Array; last: Uint8Array };
  /** The checkpoint with the best robust validation accuracy; null but for an adversarial training. */
  robust: Uint8Array | null;
  result: Json;
}

/** Runs the engine's trainer, with its events going to the context. */
export async function trainNetwork(training: Training, context: HandlerContext): Promise<Trained> {
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
  const { best, last, robust, bestStep, bestMetric, steps } = trained;
  return {
    outputs: { best, last },
    robust,
    result: {
      steps,
      bestStep,
      bestMetric,
      selectMetric: params.select.metric,
      images: { train: train.count, validation: validation.count, test: test.count },
      leakRemoved,
      mean,
      std,
      computedOn: { ...(await computedOn(nativeVersion())) },
    },
  };
}
