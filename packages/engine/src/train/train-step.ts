import type { StepArguments, StepResult } from '../capture/index.js';
import { clipped, jointNorm, mapped, type Gradients } from '../optimizers/index.js';
import { required } from '../required.js';
import {
  add,
  allFinite,
  argMax,
  cast,
  equal,
  mean,
  multiply,
  select,
  subtract,
  zerosLike,
  type Tensor,
} from '../tensor/index.js';
import { movedAverage } from './evaluated.js';
import { batchGradients, type BatchGradients } from './gradients.js';
import { scalesLoss, type TrainingInputs, type TrainingProgram, type TrainingState } from './program.js';
import { slotName } from './specs.js';

type Arguments = StepArguments<TrainingState, TrainingInputs>;

/** Outputs of the train fetch that are for the task's host alone carry this before their names. */
export const observedPrefix = 'observed.';

/** The output of the train fetch that says whether the update was done (1), where its loss is scaled. */
export const finiteOutput = 'finite';

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

/** New values where the update is done, those so far where it is left out. */
function chosen(done: Tensor | null, renewed: Gradients, before: Gradients): Record<string, Tensor> {
  return mapped(renewed, (value, name) => (done ? select(done, value, required(before[name], name)) : value));
}

/** The gradients of the parts as the next update begins with them. */
function emptied(program: TrainingProgram, sums: Gradients): Record<string, Tensor> {
  // The difference to itself of a gradient that overflowed would not be zero.
  return mapped(sums, (sum) => (scalesLoss(program) ? zerosLike(sum) : subtract(sum, sum)));
}

/**
 * One update: the gradients of its batch, or of its last part with those before, through the optimizer. Under a scaled
 * loss, gradients that are not finite leave it out: weights, optimizer and moving average stay as they are, and the output
 * `finite` is 0. (Batch-norm statistics are those of the forward pass, which has been, as under torch.amp.GradScaler.)
 */
export function trainStep(program: TrainingProgram, step: Arguments): StepResult<TrainingState> {
  const part = batchGradients(program, step);
  const whole = program.parts > 1 ? summed(program, step, part.gradients) : part.gradients;
  const { gradients, norm } = bounded(program, whole);
  const update = updated(program, step, gradients);
  const { state } = step;
  const finite = scalesLoss(program) ? allFinite(Object.values(whole)) : null;
  const parameters = chosen(finite, update.parameters, state.model);
  const model = { ...part.buffers, ...parameters };
  return {
    outputs: {
      ...outputsOf(part),
      ...(norm && { gradientNorm: norm }),
      ...(finite && { [finiteOutput]: cast(finite, 'float32') }),
    },
    state: {
      model,
      optimizer: chosen(finite, update.slots, state.optimizer),
      ...(program.parts > 1 && { gradients: emptied(program, state.gradients) }),
      ...(program.average && { evaluated: chosen(finite, movedAverage(step, model), state.evaluated) }),
    },
  };
}
