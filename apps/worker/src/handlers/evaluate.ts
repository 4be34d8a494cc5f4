import { canonicalJson, JobFailure, type EvaluationResult } from '@ferment/contracts';
import { computedOn } from '../child/computed-on.js';
import { deduplicatedTest } from './deduplicated.js';
import type { Handler } from './handler.js';
import { assertTrainedApart, imagesHash, imagesOf, isSynthetic, updatesOf } from './images.js';
import { networksOf, normalisationOf, threadsOf } from './networks.js';
import { robustnessOf } from './robustness.js';

/** Scores a network on validation and test of a data set, its own or another, and under attack where that is asked for. */
export const evaluate: Handler<'evaluate'> = async ({ params, inputs, inputParams, resume }, context) => {
  const { data, testTime, robustness } = params;
  const parts = await imagesOf(data, inputs.data, context);
  const [given] = await networksOf([inputs.checkpoint], inputParams, 'checkpoint', data, context);
  if (given === undefined) throw new JobFailure('user', 'there is no network to score');
  const { network, trainings } = given;
  await assertTrainedApart(trainings, data, parts, context);
  const { nativeVersion, runEvaluation, runLatency } = await import('@ferment/engine');
  const normalisation = await normalisationOf(network);
  const { validation, test, leakRemoved } = parts;
  const { signal } = context;
  const splits = { validation, test };
  const scored = await runEvaluation({ ...network, data: splits, ...normalisation, testTime, signal });
  const attacked =
    robustness &&
    (await robustnessOf({ network, test, normalisation, spec: robustness, trainings, resume }, context));
  const metrics: EvaluationResult = {
    dataset: data.dataset,
    datasetVersion: data.version,
    protocol: data.protocol,
    ...(data.angles !== undefined && { angles: data.angles }),
    synthetic: await isSynthetic(data, context),
    leakRemoved,
    images: { validation: imagesHash(validation), test: imagesHash(test) },
    updates: await updatesOf(trainings, data, parts, context),
    splits: scored.metrics,
    testDeduplicated: await deduplicatedTest(test, scored.logits),
    parameters: scored.parameters,
    macs: scored.macs,
    testTime,
    robustness: attacked?.result ?? null,
  };
  const threads = threadsOf(trainings);
  const latency = attacked
    ? attacked.result.cost.latency
    : test.count > 0
      ? await runLatency({ ...network, ...normalisation, test, threads, signal })
      : null;
  return {
    outputs: {
      metrics: new TextEncoder().encode(canonicalJson(metrics)),
      logits: attacked ? attacked.withBits(scored.logits) : scored.logits,
    },
    // Measured, so beside the figures that repeat bit for bit, and in no table that they are compared in.
    result: { ...metrics, latency, computedOn: { ...(await computedOn(nativeVersion())) } },
  };
};
