import { augment } from '../augment/index.js';
import type { StepArguments, StepResult } from '../capture/index.js';
import { normalise, Pass } from '../nn/index.js';
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

/** One update: the batch's pictures, augmented, through the task; its gradients through the optimizer. */
export function trainStep(program: TrainingProgram, step: Arguments): StepResult<TrainingState> {
  const { student, teachers, task, normalisation } = program;
  const { state, inputs } = step;
  const pixels = cast(gather(state.data.images, inputs.indices), 'float32');
  const labels = gather(state.data.labels, inputs.indices);
  const images = normalise(augment(pixels, foldIn(inputs.key, 0), program.augment), normalisation);

  const parameters = Object.fromEntries(
    parameterNames(student).map((name) => [name, required(state.model[name], name)]),
  );
  const { result, gradients } = valueAndGradients(parameters, () => {
    const pass = new Pass(state.model, true, foldIn(inputs.key, 1));
    const computed = task.compute({
      batch: { images, labels, indices: inputs.indices },
      student: (x) => student.forward(x, pass),
      teachers: teachers.map((teacher, index) =>
        frozenLogits(teacherRole(index), teacher, state, normalisation),
      ),
      tables: state.tables,
      inputs,
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
