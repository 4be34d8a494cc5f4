import { JobFailure } from '@ferment/contracts';
import type { Split } from '@ferment/datasets';
import { computedOn } from '../child/computed-on.js';
import type { Handler } from './handler.js';
import { assertTrainedApart, imagesOf } from './images.js';
import { networksOf, normalisationOf } from './networks.js';

/** Logits of one part of the images; of test images there are none to be had here. */
export const predict: Handler<'predict'> = async ({ params, inputs, inputParams }, context) => {
  const { data, part } = params;
  const parts = await imagesOf(data, inputs.data, context);
  const [given] = await networksOf([inputs.checkpoint], inputParams, 'checkpoint', data, context);
  if (given === undefined) throw new JobFailure('user', 'there is no network to predict with');
  await assertTrainedApart(given.trainings, data, parts, context);
  const images = imagesOfPart(parts, part);
  const { nativeVersion, runPrediction } = await import('@ferment/engine');
  const logits = await runPrediction({
    ...given.network,
    images,
    places: images.places,
    split: part,
    ...(await normalisationOf(given.network)),
    signal: context.signal,
  });
  const machine = await computedOn(nativeVersion());
  return { outputs: { logits }, result: { part, images: images.count, computedOn: { ...machine } } };
};

function imagesOfPart(parts: Split, part: 'train' | 'validation' | 'held-out') {
  if (part !== 'held-out') return parts[part];
  if (parts.heldOut !== null) return parts.heldOut;
  throw new JobFailure('user', 'no fold was left out of this training: expected data.outOfFold');
}
