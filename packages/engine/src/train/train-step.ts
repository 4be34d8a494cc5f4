import { augment } from '../augment/index.js';
import type { StepArguments, StepResult } from '../capture/index.js';
import { normalise, normaliseUnit, Pass } from '../nn/index.js';
import { required } from '../required.js';
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
import { teacherRole, type TrainingInputs, type TrainingProgram, type TrainingState } from './program.js';
import { frozenLogits } from './network.js';
import { parameterNames, slotName } from './specs.js';

type Arguments = StepArguments<TrainingState, TrainingInputs>;

/** Outputs of the train fetch that are for the task's host alone carry this before their names. */
export const observedPrefix = 'observed.';

/** The optimizer's update of every parameter. */
function updated(
  { optimizer }: TrainingProgram,
  { state, inputs }: Arguments,
  parameters: Readonly<Record<string, Tensor>>,
  gradients: Readonly<Record<string, Tensor>>,
): { parameters: Record<string, Tensor>; slots: Record<string, Tensor> } {
  const rates = {
    learningRate: inputs.learningRate,
    corrections: [inputs.correction1, inputs.correction2] as const,
  };
  const renewed: Record<string, Tensor> = {};
  const slots: Record<string, Tensor> = {};
  for (const [name, parameter] of Object.entries(parameters)) {
    const before = Object.fromEntries(
      optimizer.slots.map(
        (slot) => [slot, required(state.optimizer[slotName(slot, name)], slotName(slot, name))] as const,
      ),
    );
    const gradient = required(gradients[name], `the gradient of ${name}`);
    const update = optimizer.update(parameter, gradient, before, rates);
    renewed[name] = update.parameter;
    for (const [slot, value] of Object.entries(update.slots)) slots[slotName(slot, name)] = value;
  }
  return { parameters: renewed, slots };
}

/** The batch's pictures, augmented, 0 to 255. */
export function augmented(
  program: TrainingProgram,
  images: Tensor,
  { indices, key }: { readonly indices: Tensor; readonly key: Tensor },
): Tensor {
  return augment(cast(gather(images, indices), 'float32'), foldIn(key, 0), program.augment);
}

/** The frozen teachers as functions of normalised pictures. */
export function frozenTeachers(
  { teachers, normalisation }: TrainingProgram,
  state: Parameters<typeof frozenLogits>[2],
): ((images: Tensor) => Tensor)[] {
  return teachers.map((teacher, index) => frozenLogits(teacherRole(index), teacher, state, normalisation));
}

/** The batch, normalised: as augmented, or as the inner attack holds it (x and x'). */
function pictures(program: TrainingProgram, step: Arguments): { images: Tensor; attacked: Tensor | null } {
  const { normalisation, inner } = program;
  const { state, inputs } = step;
  if (!inner)
    return {
      images: normalise(augmented(program, state.data.images, inputs), normalisation),
      attacked: null,
    };
  const held = (name: string) =>
    normaliseUnit(required(state['inner']?.[name], `the variable inner/${name}`), normalisation);
  return { images: held('picture'), attacked: held('attacked') };
}

/** One update: the batch's pictures, augmented, through the task; its gradients through the optimizer. */
export function trainStep(program: TrainingProgram, step: Arguments): StepResult<TrainingState> {
  const { student, task } = program;
  const { state, inputs } = step;
  const labels = gather(state.data.labels, inputs.indices);
  const { images, attacked } = pictures(program, step);
  const apart = (x: Tensor) => student.forward(x, new Pass(state.model, true, foldIn(inputs.key, 2)));

  const parameters = Object.fromEntries(
    parameterNames(student).map((name) => [name, required(state.model[name], name)]),
  );
  const { result, gradients } = valueAndGradients(parameters, () => {
    const pass = new Pass(state.model, true, foldIn(inputs.key, 1));
    const computed = task.compute({
      batch: { images, labels, indices: inputs.indices },
      student: (x) => student.forward(x, pass),
      teachers: frozenTeachers(program, state),
      tables: state.tables,
      inputs,
      ...(attacked && { attacked: { images: attacked, studentApart: apart } }),
    });
    return { ...computed, buffers: pass.updates };
  });

  const update = updated(program, step, parameters, gradients);
  const accuracy = mean(cast(equal(argMax(result.logits), labels), 'float32'));
  const observed = Object.entries(result.observations ?? {}).map(
    ([name, value]) => [`${observedPrefix}${name}`, value] as const,
  );
  return {
    outputs: { loss: result.loss, accuracy, ...result.metrics, ...Object.fromEntries(observed) },
    state: { model: { ...result.buffers, ...update.parameters }, optimizer: update.slots },
  };
}
