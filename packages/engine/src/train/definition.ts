import type { AugmentDetail } from '@ferment/contracts';
import { augment } from '../augment/index.js';
import type { ProgramDefinition, StepArguments, StepResult, TensorSpec } from '../capture/index.js';
import { required } from '../required.js';
import { normalise, Pass, type Model, type Normalisation } from '../nn/index.js';
import type { Optimizer } from '../optimizers/index.js';
import type { Task } from '../tasks/index.js';
import {
  argMax,
  cast,
  equal,
  foldIn,
  gather,
  mean,
  valueAndGradients,
  type Tensor,
} from '../tensor/index.js';

export interface ImageShape {
  readonly size: number;
  readonly channels: number;
}

/** Everything the text of a training program depends on: nothing here changes from step to step. */
export interface TrainingProgram {
  readonly student: Model;
  readonly teachers: readonly Model[];
  readonly task: Task;
  readonly optimizer: Optimizer;
  readonly augment: AugmentDetail;
  readonly batch: number;
  readonly images: ImageShape & { readonly count: number };
  readonly normalisation: Normalisation;
  readonly evaluationBatch: number;
}

export type Specs = Readonly<Record<string, TensorSpec>>;

/** The declared shapes of a model's variables. */
export function variableSpecs(model: Model): Specs {
  return Object.fromEntries(
    model.variables.map(({ name, shape }) => [name, { shape, dtype: 'float32' } as const]),
  );
}

export function parameterNames(model: Model): string[] {
  return model.variables.filter(({ role }) => role === 'parameter').map(({ name }) => name);
}

/** An optimizer slot's name in the program and, with `optimizer.` before it, in checkpoints. */
export const slotName = (slot: string, parameter: string) => `${slot}.${parameter}`;

function slotSpecs(model: Model, optimizer: Optimizer): Specs {
  const parameters = model.variables.filter(({ role }) => role === 'parameter');
  return Object.fromEntries(
    optimizer.slots.flatMap((slot) =>
      parameters.map(
        ({ name, shape }) => [slotName(slot, name), { shape, dtype: 'float32' } as const] as const,
      ),
    ),
  );
}

export const teacherRole = (index: number) => `teacher${index}`;

/** The fetch that scores a batch of pictures with the student in inference mode; its rows do not affect one another. */
export function evaluateFetch(model: Model, normalisation: Normalisation) {
  return ({
    state,
    inputs,
  }: {
    state: { model: Readonly<Record<string, Tensor>> };
    inputs: { images: Tensor };
  }) => {
    const pass = new Pass(state.model, false, null);
    const images = normalise(cast(inputs.images, 'float32'), normalisation);
    return { outputs: { logits: model.forward(images, pass) } };
  };
}

export const evaluationInputs = ({ size, channels }: ImageShape, batch: number) =>
  ({ images: { shape: [batch, size, size, channels], dtype: 'uint8' } }) as const satisfies Specs;

function inputSpecs(program: TrainingProgram) {
  return {
    indices: { shape: [program.batch], dtype: 'int32' },
    key: { shape: [2], dtype: 'int32' },
    learningRate: { shape: [], dtype: 'float32' },
    correction1: { shape: [], dtype: 'float32' },
    correction2: { shape: [], dtype: 'float32' },
    ...evaluationInputs(program.images, program.evaluationBatch),
  } as const satisfies Specs;
}

type TrainingInputs = ReturnType<typeof inputSpecs>;
/** Teachers come beside these, one role each. */
interface StudentState {
  readonly model: Specs;
  readonly optimizer: Specs;
  readonly data: { readonly images: TensorSpec; readonly labels: TensorSpec };
}

type TrainingState = StudentState & Readonly<Record<string, Specs>>;

export type TrainingDefinition = ProgramDefinition<TrainingState, TrainingInputs, 'train' | 'evaluate'>;

function trainStep(
  program: TrainingProgram,
  { state, inputs }: StepArguments<TrainingState, TrainingInputs>,
): StepResult<TrainingState> {
  const { student, teachers, optimizer } = program;
  const pixels = cast(gather(state.data.images, inputs.indices), 'float32');
  const labels = gather(state.data.labels, inputs.indices);
  const images = normalise(augment(pixels, foldIn(inputs.key, 0), program.augment), program.normalisation);

  const parameters = Object.fromEntries(
    parameterNames(student).map((name) => [name, required(state.model[name], name)]),
  );
  const { result, gradients } = valueAndGradients(parameters, () => {
    const pass = new Pass(state.model, true, foldIn(inputs.key, 1));
    const computed = program.task(
      { images, labels },
      {
        student: (x) => student.forward(x, pass),
        teachers: teachers.map((teacher, index) => {
          const frozen = new Pass(required(state[teacherRole(index)], teacherRole(index)), false, null);
          return (x: Tensor) => teacher.forward(x, frozen);
        }),
      },
    );
    return { ...computed, buffers: pass.updates };
  });

  const rates = {
    learningRate: inputs.learningRate,
    corrections: [inputs.correction1, inputs.correction2] as const,
  };
  const renewed: Record<string, Tensor> = { ...result.buffers };
  const slots: Record<string, Tensor> = {};
  for (const [name, parameter] of Object.entries(parameters)) {
    const before = Object.fromEntries(
      optimizer.slots.map(
        (slot) => [slot, required(state.optimizer[slotName(slot, name)], slotName(slot, name))] as const,
      ),
    );
    const update = optimizer.update(
      parameter,
      required(gradients[name], `the gradient of ${name}`),
      before,
      rates,
    );
    renewed[name] = update.parameter;
    for (const [slot, value] of Object.entries(update.slots)) slots[slotName(slot, name)] = value;
  }
  const accuracy = mean(cast(equal(argMax(result.logits), labels), 'float32'));
  return {
    outputs: { loss: result.loss, accuracy, ...result.metrics },
    state: { model: renewed, optimizer: slots },
  };
}

/**
 * The program of a training run: its data set, student, optimizer and frozen teachers as variables of one session;
 * one fetch for an update, one for scoring. The batch is fixed; its images come by index from the resident data set.
 */
export function trainingDefinition(program: TrainingProgram): TrainingDefinition {
  const { student, teachers, images, optimizer } = program;
  return {
    state: {
      model: variableSpecs(student),
      optimizer: slotSpecs(student, optimizer),
      data: {
        images: { shape: [images.count, images.size, images.size, images.channels], dtype: 'uint8' },
        labels: { shape: [images.count], dtype: 'int32' },
      },
      ...Object.fromEntries(teachers.map((teacher, index) => [teacherRole(index), variableSpecs(teacher)])),
    },
    inputs: inputSpecs(program),
    fetches: {
      train: (step) => trainStep(program, step),
      evaluate: evaluateFetch(student, program.normalisation),
    },
  };
}
