import type { StepArguments } from '../capture/index.js';
import { normaliseUnit, Pass } from '../nn/index.js';
import { ascended, mapped, type Gradients } from '../optimizers/index.js';
import { required } from '../required.js';
import type { TaskResult } from '../tasks/index.js';
import { autocast, cast, divide, foldIn, scalar, valueAndGradients, type Tensor } from '../tensor/index.js';
import { batchOf, frozenTeachers, held } from './batch.js';
import {
  lossScaleInput,
  lowTypeOf,
  scalesLoss,
  type TrainingInputs,
  type TrainingProgram,
  type TrainingState,
} from './program.js';

type Arguments = StepArguments<TrainingState, TrainingInputs>;

/** What a pass over a batch, or a part of one, gives. */
export interface BatchGradients {
  readonly result: TaskResult;
  /** Of the trained parameters, by name. */
  readonly gradients: Gradients;
  /** New batch-norm statistics. */
  readonly buffers: Readonly<Record<string, Tensor>>;
  /** int32 [batch]. */
  readonly labels: Tensor;
}

/**
 * The gradients of a batch's loss. With sharpness-aware minimisation they are those at w + rho g / |g| (Foret et al., ICLR
 * 2021, eq. 3), the loss and the batch-norm statistics those of the first pass, at w.
 *
 * In mixed precision the networks compute in 16 bits, student and teachers; their logits, the loss and all gradients are
 * float32. The gradients of a scaled loss are divided by its scale; where one overflowed, they are not finite.
 */
export function batchGradients(program: TrainingProgram, step: Arguments): BatchGradients {
  const { student, task, frozen, sharpness, normalisation } = program;
  const { state, inputs } = step;
  const batch = batchOf(program, step);
  const attacked = program.inner ? normaliseUnit(held(state, 'attacked'), normalisation) : null;

  const low = lowTypeOf(program);
  const scale = scalesLoss(program) ? required(inputs[lossScaleInput], lossScaleInput) : null;
  const mixed =
    (network: (images: Tensor) => Tensor) =>
    (x: Tensor): Tensor =>
      cast(
        autocast(low, () => network(x)),
        'float32',
      );

  const at = (parameters: Gradients) => {
    const compute = () => {
      const values = { ...state.model, ...parameters };
      const pass = new Pass(values, true, foldIn(inputs.key, 1), { frozen });
      const apart = (x: Tensor) =>
        student.forward(x, new Pass(values, true, foldIn(inputs.key, 2), { frozen }));
      const computed = task.compute({
        batch,
        student: mixed((x) => student.forward(x, pass)),
        teachers: frozenTeachers(program, state).map(mixed),
        tables: state.tables,
        inputs,
        ...(attacked && { attacked: { images: attacked, studentApart: mixed(apart) } }),
      });
      return { ...computed, buffers: pass.updates };
    };
    const { result, gradients } = valueAndGradients(parameters, compute, scale ?? scalar(1));
    return {
      result,
      gradients: scale ? mapped(gradients, (gradient) => divide(gradient, scale)) : gradients,
    };
  };

  const parameters = Object.fromEntries(
    [...program.rates.keys()].map((name) => [name, required(state.model[name], name)] as const),
  );
  const { result, gradients } = at(parameters);
  const sharp = sharpness === null ? null : at(ascended(parameters, gradients, sharpness)).gradients;
  return { result, gradients: sharp ?? gradients, buffers: result.buffers, labels: batch.labels };
}
