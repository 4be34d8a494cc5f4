import type { Handler } from './handler.js';
import { assertTrainedApart, imagesOf, trainingsBehind } from './images.js';
import { stateOf, trainNetwork } from './training.js';

/** Trains a network from labels, perhaps from another stage's weights. */
export const train: Handler<'train'> = async ({ params, inputs, inputParams, resume }, context) => {
  const parts = await imagesOf(params.data, inputs.data, context);
  await assertTrainedApart(trainingsBehind(inputParams, 'start').flat(), params.data, parts, context);
  const start = inputs.start ? await context.read(inputs.start.hash) : null;
  const state = await stateOf(resume ?? inputs.continues, context);
  const { outputs, result } = await trainNetwork(
    { method: 'train', params, parts, teachers: [], start, resume: state },
    context,
  );
  return { outputs, result };
};
