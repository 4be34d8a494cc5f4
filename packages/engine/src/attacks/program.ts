import type { ProgramDefinition, Step, StepArguments, TensorSpec } from '../capture/index.js';
import { normaliseUnit, Pass, type Model, type Normalisation } from '../nn/index.js';
import { required } from '../required.js';
import { add, cast, multiply, valueAndGradients, type Tensor } from '../tensor/index.js';
import { ascend, extent, project } from './ball.js';
import { objectives, type ObjectiveName } from './objectives.js';

type Specs = Readonly<Record<string, TensorSpec>>;
type Values = Readonly<Record<string, Readonly<Record<string, Tensor>>>>;

/** A network in inference mode, as attacks see it. */
export interface AttackedNetwork {
  /** Its variables, by role. */
  readonly variables: Readonly<Record<string, Specs>>;
  /** Logits of pictures x in [0, 1], before normalisation: [batch, size, size, channels] to [batch, classes]. */
  readonly logits: (x: Tensor, state: Values) => Tensor;
}

/** One model under a role; what its batch norm would renew is dropped. */
export function attackedModel(
  model: Model,
  variables: Specs,
  normalisation: Normalisation,
  role = 'model',
): AttackedNetwork {
  return {
    variables: { [role]: variables },
    logits: (x, state) =>
      model.forward(normaliseUnit(x, normalisation), new Pass(required(state[role], role), false, null)),
  };
}

/** Everything the text of an attack program depends on; radius, step size and starts are inputs. */
export interface AttackProgram {
  readonly network: AttackedNetwork;
  readonly images: { readonly size: number; readonly channels: number };
  readonly batch: number;
}

type Shape = Pick<AttackProgram, 'images' | 'batch'>;

export function attackInputs({ images: { size, channels }, batch }: Shape) {
  const shape = [batch, size, size, channels] as const;
  return {
    images: { shape, dtype: 'uint8' },
    labels: { shape: [batch], dtype: 'int32' },
    /** Uniform in [-1, 1): the start in units of epsilon. */
    start: { shape, dtype: 'float32' },
    epsilon: { shape: [], dtype: 'float32' },
    stepSize: { shape: [], dtype: 'float32' },
  } as const satisfies Specs;
}

/** x and x' of the current batch, in [0, 1]. */
export function attackState({ images: { size, channels }, batch }: Shape) {
  const pictures = { shape: [batch, size, size, channels], dtype: 'float32' } as const;
  return { picture: pictures, attacked: pictures } satisfies Specs;
}

type Inputs = ReturnType<typeof attackInputs>;

/** The network's roles come beside this one. */
interface State {
  readonly attack: ReturnType<typeof attackState>;
  readonly [role: string]: Specs;
}

type Arguments = StepArguments<State, Inputs>;

/** One step along the gradient of each objective. */
type Ascent = `raise-${ObjectiveName}`;
export type AttackFetch = 'load' | 'start' | 'gradient' | 'logits' | Ascent;

/**
 * The functions of attacks on one network: a batch of pictures and its attacked copy are variables of the role `attack`,
 * and a step is one run of one fetch, so that an attack of any length has the same small graph.
 *
 * `load` takes a batch (x' is x) and gives its logits; `start` puts x' at the start; `raise-…` is one step; `logits` are
 * those of x'; `gradient` is that of the cross entropy at x'.
 */
export function attackFetches({ logits }: AttackedNetwork): Record<AttackFetch, Step<State, Inputs>> {
  const gradient = ({ state, inputs }: Arguments, objective: ObjectiveName): Tensor => {
    const { attacked } = state.attack;
    const { gradients } = valueAndGradients({ attacked }, () => ({
      loss: objectives[objective](logits(attacked, state), inputs.labels),
    }));
    return required(gradients['attacked'], 'the gradient by the pictures');
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
      return moved(step, ascend(attacked, gradient(step, objective), { picture, epsilon, stepSize }));
    };
  return {
    load: ({ state, inputs }) => {
      // A product: TensorFlow's graph optimizer makes one of a quotient, and eager execution would round otherwise.
      const picture = multiply(cast(inputs.images, 'float32'), 1 / 255);
      return {
        outputs: { logits: logits(picture, state) },
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
    logits: ({ state }) => ({ outputs: { logits: logits(state.attack.attacked, state) } }),
    gradient: (step) => ({ outputs: { gradient: gradient(step, 'crossEntropy') } }),
  };
}

export type AttackDefinition = ProgramDefinition<State, Inputs, AttackFetch>;

/** A program of attacks alone. */
export function attackDefinition(program: AttackProgram): AttackDefinition {
  return {
    state: { ...program.network.variables, attack: attackState(program) },
    inputs: attackInputs(program),
    fetches: attackFetches(program.network),
  };
}
