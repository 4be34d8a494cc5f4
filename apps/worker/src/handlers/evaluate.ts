import { canonicalJson, JobFailure, type EvaluationResult } from '@ferment/contracts';
import { deduplicatedTest } from './deduplicated.js';
import type { Handler } from './handler.js';
import {
  assertSameShape,
  assertTrainedApart,
  imagesHash,
  imagesOf,
  isSynthetic,
  trainingsBehind,
  updatesOf,
} from './images.js';
import { statedInput } from './normalisation.js';

/** Scores a checkpoint on validation and test of a data set, its own or another. */
export const evaluate: Handler<'evaluate'> = async ({ params, inputs, inputParams }, context) => {
  const { data, model } = params;
  if (model.name === 'fused') throw new JobFailure('user', 'fused networks are not scored yet');
  const parts = await imagesOf(data, inputs.data, context);
  const trainings = trainingsBehind(inputParams, 'checkpoint').flat();
  await assertTrainedApart(trainings, data, parts, context);
  for (const training of trainings) assertSameShape(training, data);
  const [training] = trainings;
  if (training === undefined)
    throw new JobFailure('user', 'no training stands behind the checkpoint to score');
  const weights = await context.read(inputs.checkpoint.hash);
  const { readSafetensors, runEvaluation } = await import('@ferment/engine');
  const { mean, std } = statedInput(readSafetensors(weights).metadata);
  const { validation, test, leakRemoved } = parts;
  const { signal } = context;
  const scored = await runEvaluation({ model, weights, data: { validation, test }, mean, std, signal });
  const metrics: EvaluationResult = {
    dataset: data.dataset,
    datasetVersion: data.version,
    protocol: data.protocol,
    ...(data.angles !== undefined && { angles: data.angles }),
    synthetic: await isSynthetic(data, context),
    leakRemoved,
    images: { validation: imagesHash(validation), test: imagesHash(test) },
    updates: await updatesOf(training, data, parts, context),
    splits: scored.metrics,
    testDeduplicated: await deduplicatedTest(test, scored.logits),
    parameters: scored.parameters,
    macs: scored.macs,
    robustness: null,
  };
  return {
    outputs: { metrics: new TextEncoder().encode(canonicalJson(metrics)), logits: scored.logits },
    result: metrics,
  };
};
