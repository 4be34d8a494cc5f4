import type { ProgramDefinition, Step, StepArguments, TensorSpec } from '../capture/index.js';
import { normaliseUnit, Pass, type Model, type Normalisation } from '../nn/index.js';
import { add, cast, divide, multiply, valueAndGradients, type Tensor } from '../tensor/index.js';
import { ascend, extent, project } from './ball.js';
import { objectives, type ObjectiveName } from './objectives.js';

type Specs = Readonly<Record<string, TensorSpec>>;

/** Everything the text of an attack program depends on; radius, step size and starts are inputs. */
export interface AttackProgram {
  readonly model: Model;
  /** float32 variables of the model, by name. */
  readonly variables: Specs;
  readonly images: { readonly size: number; readonly channels: number };
  readonly normalisation: Normalisation;
  readonly batch: number;
}

function inputSpecs({ images: { size, channels }, batch }: AttackProgram) {
  const shape = [batch, size, size, channels];
  return {
    images: { shape, dtype: 'uint8' },
    labels: { shape: [batch], dtype: 'int32' },
    /** Uniform in [-1, 1): the start in units of epsilon. */
    start: { shape, dtype: 'float32' },
    epsilon: { shape: [], dtype: 'float32' },
    stepSize: { shape: [], dtype: 'float32' },
  } as const satisfies Specs;
}

type Inputs = ReturnType<typeof inputSpecs>;

interface State {
  readonly model: Specs;
  /** x and x' of the current batch, in [0, 1]. */
  readonly attack: { readonly picture: TensorSpec; readonly attacked: TensorSpec };
  readonly [role: string]: Specs;
}

/** One step along the gradient of each objective. */
type Ascent = `raise-${ObjectiveName}`;
export type AttackFetch = 'load' | 'start' | 'gradient' | 'logits' | Ascent;
export type AttackDefinition = ProgramDefinition<State, Inputs, AttackFetch>;

/**
 * The program of attacks on one network in inference mode: a batch of pictures and its attacked copy are variables, and
 * a step is one run of one fetch, so that an attack of any length has the same small graph.
 *
 * Fetches: `load` takes a batch (x' is x) and gives its logits; `start` puts x' at the start; `raise-…` is one step;
 * `logits` are those of x'; `gradient` is that of the cross entropy at x'.
 */
export function attackDefinition(program: AttackProgram): AttackDefinition {
  const inputs = inputSpecs(program);
  const pictures: TensorSpec = { shape: inputs.images.shape, dtype: 'float32' };

  type Arguments = StepArguments<State, Inputs>;
  const forward = ({ state }: Arguments, x: Tensor): Tensor =>
    program.model.forward(
      normaliseUnit(x, program.normalisation),
      // Running statistics, no dropout; what batch norm would renew is dropped with the pass.
      new Pass(state.model, false, null),
    );
  const gradient = (step: Arguments, objective: ObjectiveName): Tensor => {
    const { attacked } = step.state.attack;
    const { gradients } = valueAndGradients({ attacked }, () => ({
      loss: objectives[objective](forward(step, attacked), step.inputs.labels),
    }));
    return gradients['attacked'] ?? attacked;
  };
  const moved = ({ state }: Arguments, attacked: Tensor) => ({
    outputs: extent(attacked, state.attack.picture),
    state: { attack: { attacked } },
  });
  const raise =
    (objective: ObjectiveName): Step<State, Inputs> =>
    (step) => {
      const { picture, attacked } = step.state.attack;
      const { epsilon, stepSize } = step.inputs;
      const found = gradient(step, objective);
      return moved(step, ascend(attacked, found, { picture, epsilon, stepSize }));
    };

  return {
    state: { model: program.variables, attack: { picture: pictures, attacked: pictures } },
    inputs,
    fetches: {
      load: (step) => {
        const picture = divide(cast(step.inputs.images, 'float32'), 255);
        return {
          outputs: { logits: forward(step, picture) },
          state: { attack: { picture, attacked: picture } },
        };
      },
      start: (step) => {
        const { picture } = step.state.attack;
        const { start, epsilon } = step.inputs;
        return moved(step, project(add(picture, multiply(start, epsilon)), picture, epsilon));
      },
      'raise-crossEntropy': raise('crossEntropy'),
      'raise-margin': raise('margin'),
      logits: (step) => ({ outputs: { logits: forward(step, step.state.attack.attacked) } }),
      gradient: (step) => ({ outputs: { gradient: gradient(step, 'crossEntropy') } }),
    },
  };
}
