import type { Handler } from './handler.js';
import { assertTrainedApart, imagesOf, trainingsBehind } from './images.js';
import { stateOf, trainNetwork } from './training.js';

/** Goes on with a trained network, against attacks on its training images. */
export const adversarial: Handler<'adversarial'> = async (
  { params, inputs, inputParams, resume },
  context,
) => {
  const parts = await imagesOf(params.data, inputs.data, context);
  await assertTrainedApart(trainingsBehind(inputParams, 'start').flat(), params.data, parts, context);
  const start = await context.read(inputs.start.hash);
  const state = await stateOf(resume ?? inputs.continues, context);
  const { outputs, result, robust } = await trainNetwork(
    { method: 'adversarial', params, parts, teachers: [], start, resume: state },
    context,
  );
  if (robust === null) throw new Error('an adversarial training keeps its most robust checkpoint');
  return { outputs: { ...outputs, robust }, result };
};
