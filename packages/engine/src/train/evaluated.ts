import type { StepArguments, StepResult } from '../capture/index.js';
import { normalise, Pass } from '../nn/index.js';
import { add, foldIn, multiply, subtract, type Tensor } from '../tensor/index.js';
import { augmented } from './batch.js';
import type { TrainingInputs, TrainingProgram, TrainingState } from './program.js';

type Arguments = StepArguments<TrainingState, TrainingInputs>;
type Values = Readonly<Record<string, Tensor>>;

/** The evaluated network is the trained one as it is now. */
export function snapshot({ state }: Arguments): StepResult<TrainingState> {
  return { outputs: {}, state: { evaluated: state.model } };
}

/**
 * The moving average of all variables: decay times the one so far, and the rest of the new value (Polyak & Juditsky,
 * 1992, with the exponential decay of Tarvainen & Valpola, NeurIPS 2017).
 *
 * @param renewed the trained network's new values; those it does not name have not changed
 */
export function movedAverage({ state, inputs }: Arguments, renewed: Values): Values {
  const { decay } = inputs;
  return Object.fromEntries(
    Object.entries(state.evaluated).map(([name, before]) => {
      const now = renewed[name] ?? state.model[name];
      if (!now) throw new Error(`the trained network has no ${name}`);
      return [name, add(multiply(before, decay), multiply(now, subtract(1, decay)))] as const;
    }),
  );
}

/**
 * One batch of a recalibration: the batch norms' running statistics become the mean of those of the batches so far, the
 * network's weights being what they are (Izmailov et al., UAI 2018, section 3.2). `newest` is 1 / k at batch k = 1, 2, ….
 */
export function recalibrate(
  program: TrainingProgram,
  { state, inputs }: Arguments,
): StepResult<TrainingState> {
  const images = normalise(augmented(program, state.data.images, inputs), program.normalisation);
  const pass = new Pass(state.evaluated, true, foldIn(inputs.key, 1), {
    newest: inputs.newest,
    frozen: program.frozen,
  });
  program.student.forward(images, pass);
  return { outputs: {}, state: { evaluated: pass.updates } };
}
