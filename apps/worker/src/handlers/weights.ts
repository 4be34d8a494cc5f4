import type { Handler } from './handler.js';

/** Takes an uploaded file's weights over, checked to fit the model. */
export const weights: Handler<'weights'> = async ({ params }, context) => {
  const { foreignWeights } = await import('@ferment/engine');
  const { file, model, except, preprocess } = params;
  const best = foreignWeights(await context.read(file), model, preprocess, except);
  return { outputs: { best }, result: { model: model.name, file } };
};
