import type { ArtifactReference } from '@ferment/contracts';
import type { Split } from '@ferment/datasets';
import type { Network, Prediction, Teacher } from '@ferment/engine';
import type { HandlerContext } from '../child/context.js';
import type { Handler } from './handler.js';
import { assertTrainedApart, imagesOf, trainingsBehind } from './images.js';
import { networksOf, type GivenNetwork } from './networks.js';
import { stateOf, trainNetwork } from './training.js';

/** Trains a student from teachers, perhaps from another stage's weights. */
export const distill: Handler<'distill'> = async ({ params, inputs, inputParams, resume }, context) => {
  const parts = await imagesOf(params.data, inputs.data, context);
  const given = await networksOf(inputs.teachers, inputParams, 'teachers', params.data, context);
  const starts = trainingsBehind(inputParams, 'start').flat();
  const trainings = given.flatMap((teacher) => teacher.trainings);
  await assertTrainedApart([...trainings, ...starts], params.data, parts, context);
  const teachers = await taught(given, inputs.outOfFold, parts, context);
  const start = inputs.start ? await context.read(inputs.start.hash) : null;
  const state = await stateOf(resume ?? inputs.continues, context);
  const { outputs, result } = await trainNetwork(
    { method: 'distill', params, parts, teachers, start, resume: state },
    context,
  );
  return { outputs, result };
};

async function predictions(
  references: readonly ArtifactReference[],
  context: HandlerContext,
): Promise<Prediction[]> {
  const { decodePrediction } = await import('@ferment/engine');
  const decoded: Prediction[] = [];
  for (const { hash } of references) decoded.push(decodePrediction(await context.read(hash)));
  return decoded;
}

/** Teachers as the engine takes them, each with its predictions of the training images by networks that had not seen them. */
async function taught(
  given: readonly GivenNetwork[],
  outOfFold: readonly ArtifactReference[],
  parts: Split,
  context: HandlerContext,
): Promise<Teacher[]> {
  const { logitsAt } = await import('@ferment/engine');
  const folds = await predictions(outOfFold, context);
  const perTeacher = folds.length / given.length;
  return given.map(({ network, trainings }, index) => {
    const own = folds.slice(index * perTeacher, (index + 1) * perTeacher);
    const [first] = trainings;
    return {
      ...withTemperature(network),
      name: `${index}-${trainings.length === 1 ? first?.model.name : 'fused'}`,
      ...(own.length > 0 && { outOfFold: logitsAt(own, parts.train.places) }),
    };
  });
}

/** One member with a temperature is a calibrated network; a fusion has its temperatures inside and needs none of its own. */
function withTemperature(network: Network): Network & { temperature?: number } {
  if (!('fusion' in network)) return network;
  const [member] = network.members;
  const [temperature] = network.fusion.temperatures;
  if (network.members.length > 1 || member === undefined || temperature === undefined)
    return { ...network, temperature: 1 };
  return { ...member, temperature };
}
