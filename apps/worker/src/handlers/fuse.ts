import { JobFailure, type ArtifactReference, type TrainedNetwork } from '@ferment/contracts';
import type { LabelledLogits, WeightedModel } from '@ferment/engine';
import type { HandlerContext } from '../child/context.js';
import type { Handler } from './handler.js';

/** A network with the temperature that minimises the NLL of its validation logits. */
export const calibrate: Handler<'calibrate'> = async ({ params, inputs }, context) => {
  const { encodeFused, fitTemperature } = await import('@ferment/engine');
  const [logits] = await validationLogits([inputs.logits], context);
  if (logits === undefined) throw new JobFailure('user', 'there are no logits to fit a temperature to');
  const { temperature, fitted, nllBefore, nllAfter } = fitTemperature(logits);
  const members = await membersOf([inputs.checkpoint], params.members, context);
  const network = encodeFused({ members, fusion: { weights: [1], temperatures: [temperature] } });
  return { outputs: { network }, result: { temperature, fitted, nllBefore, nllAfter } };
};

/** Several networks as one, with given weights or those that minimise the NLL of the validation images. */
export const ensemble: Handler<'ensemble'> = async ({ params, inputs }, context) => {
  const { encodeFused, fitFusion, fitTemperature } = await import('@ferment/engine');
  const members = await membersOf(inputs.members, params.members, context);
  const { weights: given } = params.fusion;
  if (given !== undefined) {
    const fusion = { weights: given, temperatures: members.map(() => 1) };
    return { outputs: { network: encodeFused({ members, fusion }) }, result: fusion };
  }
  const logits = await validationLogits(inputs.logits, context);
  if (logits.length !== members.length)
    throw new JobFailure('user', `${members.length} members have ${logits.length} predictions`);
  const temperatures = logits.map((of) => fitTemperature(of).temperature);
  const [{ labels } = { labels: [] }] = logits;
  const fitted = fitFusion(
    logits.map((of) => of.logits),
    labels,
    temperatures,
  );
  const { weights, nll, nllOfEach, nllOfMean } = fitted;
  const network = encodeFused({ members, fusion: { weights, temperatures } });
  return { outputs: { network }, result: { weights, temperatures, nll, nllOfEach, nllOfMean } };
};

/**
 * Predictions that something may be fitted on.
 *
 * @throws JobFailure `user` where they are of other images than the validation split's, or not of the same ones
 */
async function validationLogits(
  references: readonly ArtifactReference[],
  context: HandlerContext,
): Promise<LabelledLogits[]> {
  const { decodePrediction } = await import('@ferment/engine');
  const all = [];
  for (const { hash } of references) all.push(decodePrediction(await context.read(hash)));
  const [first] = all;
  for (const { split, places } of all) {
    if (split !== 'validation')
      throw new JobFailure('user', `weights and temperatures are fitted on validation, got "${split}"`);
    if (first && !Buffer.from(places.buffer).equals(Buffer.from(first.places.buffer)))
      throw new JobFailure('user', 'the members were predicted on different validation images');
  }
  return all;
}

async function membersOf(
  references: readonly ArtifactReference[],
  trainings: readonly TrainedNetwork[],
  context: HandlerContext,
): Promise<WeightedModel[]> {
  const members: WeightedModel[] = [];
  for (const [position, { hash }] of references.entries()) {
    const model = trainings[position]?.model;
    if (model === undefined) throw new JobFailure('user', `member ${position + 1} has no training behind it`);
    members.push({ model, weights: await context.read(hash) });
  }
  return members;
}
