import { canonicalJson, type EvaluationResult } from '@ferment/contracts';
import type { Handler } from './handler.js';
import { assertSameShape, assertTrainedApart, imagesOf, trainingsBehind } from './images.js';
import { statedInput } from './normalisation.js';

/** Scores a checkpoint on validation and test of a data set, its own or another. */
export const evaluate: Handler<'evaluate'> = async ({ params, inputs, inputParams }, context) => {
  const { data, model } = params;
  const parts = await imagesOf(data, context);
  const trainings = trainingsBehind(inputParams, 'checkpoint');
  await assertTrainedApart(trainings, data, parts, context);
  for (const training of trainings) assertSameShape(training, data);
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
    splits: scored.metrics,
    parameters: scored.parameters,
    macs: scored.macs,
  };
  return {
    outputs: { metrics: new TextEncoder().encode(canonicalJson(metrics)), logits: scored.logits },
    result: { ...metrics, leakRemoved },
  };
};
