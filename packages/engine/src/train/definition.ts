import { normalise, Pass, type Normalisation } from '../nn/index.js';
import { required } from '../required.js';
import { cast, type Tensor } from '../tensor/index.js';
import { recalibrate, snapshot } from './evaluated.js';
import { frozenSpecs } from './network.js';
import {
  evaluatedRole,
  inputSpecs,
  lossScaleInput,
  scalesLoss,
  teacherRole,
  type TrainingDefinition,
  type TrainingProgram,
} from './program.js';
import { slotSpecs, variableSpecs } from './specs.js';
import { accumulateStep, trainStep } from './train-step.js';

/** The fetch that scores a batch of pictures; its rows do not affect one another. */
export function scoreFetch(
  logits: (images: Tensor, state: Readonly<Record<string, Readonly<Record<string, Tensor>>>>) => Tensor,
  normalisation: Normalisation,
) {
  return ({
    state,
    inputs,
  }: {
    state: Readonly<Record<string, Readonly<Record<string, Tensor>>>>;
    inputs: { images: Tensor };
  }) => {
    const images = normalise(cast(inputs.images, 'float32'), normalisation);
    return { outputs: { logits: logits(images, state) } };
  };
}

/**
 * The program of a training run: its data set, student, optimizer, tables and frozen teachers as variables of one
 * session; one fetch for an update, one for scoring, and those for parts of a batch and for the network that is
 * evaluated where the run has them. The batch is fixed; its images come by index from the resident data set.
 */
export function trainingDefinition(program: TrainingProgram): TrainingDefinition {
  const { student, teachers, images, optimizer, task, normalisation, parts, recalibrated } = program;
  const frozen = teachers.flatMap((teacher, index) =>
    Object.entries(frozenSpecs(teacherRole(index), teacher)),
  );
  const model = variableSpecs(student);
  const evaluated = evaluatedRole(program);
  const trained = Object.entries(model).filter(([name]) => program.rates.has(name));
  return {
    state: {
      model,
      optimizer: slotSpecs(student, optimizer),
      data: {
        images: { shape: [images.count, images.size, images.size, images.channels], dtype: 'uint8' },
        labels: { shape: [images.count], dtype: 'int32' },
      },
      tables: task.tables,
      gradients: parts > 1 ? Object.fromEntries(trained) : {},
      evaluated: evaluated === 'evaluated' ? model : {},
      ...Object.fromEntries(frozen),
    },
    inputs: {
      ...task.inputs,
      ...inputSpecs(program),
      ...(scalesLoss(program) && { [lossScaleInput]: { shape: [], dtype: 'float32' } }),
    },
    fetches: {
      train: (step) => trainStep(program, step),
      evaluate: scoreFetch(
        (x, state) => student.forward(x, new Pass(required(state[evaluated], evaluated), false, null)),
        normalisation,
      ),
      accumulate: parts > 1 ? (step) => accumulateStep(program, step) : null,
      snapshot: recalibrated && !program.average ? snapshot : null,
      recalibrate: recalibrated ? (step) => recalibrate(program, step) : null,
    },
  };
}
