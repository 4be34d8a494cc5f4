import { JobFailure } from '@ferment/contracts';
import type { Handler } from './handler.js';
import { assertSameShape, assertTrainedApart, imagesOf, trainingsBehind } from './images.js';
import { trainNetwork } from './training.js';

/** Trains a student from teachers, perhaps from another stage's weights. */
export const distill: Handler<'distill'> = async ({ params, inputs, inputParams, resume }, context) => {
  const parts = await imagesOf(params.data, inputs.data, context);
  const trainings = trainingsBehind(inputParams, 'teachers');
  const starts = trainingsBehind(inputParams, 'start');
  await assertTrainedApart([...trainings, ...starts].flat(), params.data, parts, context);
  const teachers = [];
  for (const [position, { hash }] of inputs.teachers.entries()) {
    const [training] = trainings[position] ?? [];
    if (training === undefined)
      throw new JobFailure('user', `teacher ${position + 1} has no training behind it`);
    assertSameShape(training, params.data);
    teachers.push({ model: training.model, weights: await context.read(hash) });
  }
  const start = inputs.start ? await context.read(inputs.start.hash) : null;
  const state = resume === null ? null : await context.read(resume.hash);
  return trainNetwork({ method: 'distill', params, parts, teachers, start, resume: state }, context);
};
