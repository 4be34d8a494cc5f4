import {
  JobFailure,
  validationHistory,
  type JobParams,
  type MetricRow,
  type TrainingKind,
  type ValidationHistory,
} from '@ferment/contracts';
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
  const { best, last, robust, bestStep, bestMetric, steps, doneSteps, curve } = trained;
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
      // Early stopping decides by these.
      ...(params.untilEpoch !== undefined && { doneSteps, history: historyOf(curve) }),
      computedOn: { ...(await computedOn(nativeVersion())) },
    },
  };
}

/** The state to go on from: of an earlier attempt at the job, or else of the training that this one continues. */
export async function stateOf(
  from: { hash: string } | null,
  context: HandlerContext,
): Promise<Uint8Array | null> {
  return from === null ? null : context.read(from.hash);
}

function historyOf(curve: readonly MetricRow[]): ValidationHistory {
  return validationHistory.parse(
    curve.map(({ epoch, step, values }) => ({
      epoch,
      step,
      accuracy: values['validation.accuracy'],
      macroF1: values['validation.macroF1'],
      nll: values['validation.nll'],
      ece: values['validation.ece'],
    })),
  );
}
