import type { Handler } from './handler.js';
import { imagesOf } from './images.js';
import { trainNetwork } from './training.js';

/** Trains a network from labels. */
export const train: Handler<'train'> = async ({ params, inputs, resume }, context) => {
  const parts = await imagesOf(params.data, inputs.data, context);
  const state = resume === null ? null : await context.read(resume.hash);
  const { outputs, result } = await trainNetwork(
    { method: 'train', params, parts, teachers: [], start: null, resume: state },
    context,
  );
  return { outputs, result };
};
