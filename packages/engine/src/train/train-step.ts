import type { StepArguments, StepResult } from '../capture/index.js';
import { clipped, jointNorm, mapped, type Gradients } from '../optimizers/index.js';
import { required } from '../required.js';
import { add, argMax, cast, equal, mean, multiply, subtract, type Tensor } from '../tensor/index.js';
import { movedAverage } from './evaluated.js';
import { batchGradients, type BatchGradients } from './gradients.js';
import type { TrainingInputs, TrainingProgram, TrainingState } from './program.js';
import { slotName } from './specs.js';

type Arguments = StepArguments<TrainingState, TrainingInputs>;

/** Outputs of the train fetch that are for the task's host alone carry this before their names. */
export const observedPrefix = 'observed.';

/** The optimizer's update of every trained parameter. */
function updated(
  { optimizer, rates }: TrainingProgram,
  { state, inputs }: Arguments,
  gradients: Gradients,
): { parameters: Record<string, Tensor>; slots: Record<string, Tensor> } {
  const corrections = [inputs.correction1, inputs.correction2] as const;
  const learningRates = new Map(
    [...new Set(rates.values())].map((factor) => [
      factor,
      factor === 1 ? inputs.learningRate : multiply(inputs.learningRate, factor),
    ]),
  );
  const slots: Record<string, Tensor> = {};
  const parameters = mapped(gradients, (gradient, name) => {
    const before = Object.fromEntries(
      optimizer.slots.map(
        (slot) => [slot, required(state.optimizer[slotName(slot, name)], slotName(slot, name))] as const,
      ),
    );
    const learningRate = required(learningRates.get(required(rates.get(name), name)), 'a learning rate');
    const parameter = required(state.model[name], name);
    const update = optimizer.update(parameter, gradient, before, { learningRate, corrections });
    for (const [slot, value] of Object.entries(update.slots)) slots[slotName(slot, name)] = value;
    return update.parameter;
  });
  return { parameters, slots };
}

/** What a pass over a batch tells the host. */
function outputsOf({ result, labels }: BatchGradients): Record<string, Tensor> {
  const accuracy = mean(cast(equal(argMax(result.logits), labels), 'float32'));
  const observed = Object.entries(result.observations ?? {}).map(
    ([name, value]) => [`${observedPrefix}${name}`, value] as const,
  );
  return { loss: result.loss, accuracy, ...result.metrics, ...Object.fromEntries(observed) };
}

/** The gradients of the parts so far with this one's. */
function summed({ parts }: TrainingProgram, { state }: Arguments, gradients: Gradients): Gradients {
  return mapped(gradients, (gradient, name) =>
    add(required(state.gradients[name], name), multiply(gradient, 1 / parts)),
  );
}

/** A part of an update's batch that is not the last: its gradients are kept for the update. */
export function accumulateStep(program: TrainingProgram, step: Arguments): StepResult<TrainingState> {
  const part = batchGradients(program, step);
  return {
    outputs: outputsOf(part),
    state: { model: part.buffers, gradients: summed(program, step, part.gradients) },
  };
}

/** The gradients scaled down where the program has a bound for their norm, and that norm; null where it has none. */
function bounded(
  { clip }: TrainingProgram,
  gradients: Gradients,
): { gradients: Gradients; norm: Tensor | null } {
  if (clip === null) return { gradients, norm: null };
  const norm = jointNorm(gradients);
  return { gradients: clipped(gradients, norm, clip), norm };
}

/** One update: the gradients of its batch, or of its last part with those before, through the optimizer. */
export function trainStep(program: TrainingProgram, step: Arguments): StepResult<TrainingState> {
  const part = batchGradients(program, step);
  const whole = program.parts > 1 ? summed(program, step, part.gradients) : part.gradients;
  const { gradients, norm } = bounded(program, whole);
  const update = updated(program, step, gradients);
  const model = { ...part.buffers, ...update.parameters };
  return {
    outputs: { ...outputsOf(part), ...(norm && { gradientNorm: norm }) },
    state: {
      model,
      optimizer: update.slots,
      ...(program.parts > 1 && { gradients: mapped(step.state.gradients, (sum) => subtract(sum, sum)) }),
      ...(program.average && { evaluated: movedAverage(step, model) }),
    },
  };
}
