import type { Step, StepArguments, TensorSpec } from '../capture/index.js';
import { required } from '../required.js';
import {
  add,
  clip,
  foldIn,
  multiply,
  standardNormal,
  uniform,
  valueAndGradients,
  type Tensor,
} from '../tensor/index.js';
import { ascend, extent, project } from './ball.js';
import { divergence, divergenceFrom, objectives } from './objectives.js';
import type { AttackedNetwork } from './program.js';

type Specs = Readonly<Record<string, TensorSpec>>;

/**
 * The inner attacks of adversarial training: `crossEntropy` from a uniform start in the ball (Madry et al., ICLR 2018);
 * `divergence`, KL(p(x) || p(x')), from x + 0.001 N(0, 1) (Zhang et al., ICML 2019); `divergenceFromTeachers`, KL(p_T(x)
 * || p(x')), from the same start (Zi et al., ICCV 2021).
 */
export type InnerObjective = 'crossEntropy' | 'divergence' | 'divergenceFromTeachers';

/** The deviation of the start of TRADES and RSLAD, in units of the pixel range. */
const startDeviation = 0.001;

export interface InnerProgram {
  readonly objective: InnerObjective;
  readonly batch: number;
  readonly images: { readonly size: number; readonly channels: number };
  readonly classes: number;
}

/**
 * What an inner attack keeps between its steps, in the role `inner`: x, x' and what the predictions of x' are moved away
 * from, `clean`: for TRADES the student's logits of x, for RSLAD the teachers' probabilities of x.
 */
export function innerState({ objective, batch, images: { size, channels }, classes }: InnerProgram): Specs {
  const pictures = { shape: [batch, size, size, channels], dtype: 'float32' } as const;
  const clean = { shape: [batch, classes], dtype: 'float32' } as const;
  return { picture: pictures, attacked: pictures, ...(objective === 'crossEntropy' ? {} : { clean }) };
}

/** `key` differs from update to update; `stepSize` is for `inner-step`. */
export const innerInputs = {
  key: { shape: [2], dtype: 'int32' },
  epsilon: { shape: [], dtype: 'float32' },
  stepSize: { shape: [], dtype: 'float32' },
} as const satisfies Specs;

interface State {
  readonly inner: Specs;
  readonly [role: string]: Specs;
}

export type InnerFetch = 'inner-start' | 'inner-step';

type OfStep<I extends typeof innerInputs & Specs> = (step: StepArguments<State, I>) => Tensor;

/** The batch of an update, as its program knows it. */
interface Given<I extends typeof innerInputs & Specs> {
  /** The update's pictures, augmented, in [0, 1]. */
  readonly pictures: OfStep<I>;
  /** Of these pictures, int32 [batch]. */
  readonly labels: OfStep<I>;
  /** The teachers' probabilities of x, [batch, classes]; for `divergenceFromTeachers`. */
  readonly taught?: (picture: Tensor, step: StepArguments<State, I>) => Tensor;
}

/**
 * The functions of an inner attack on the network in inference mode: `inner-start` makes x (what `pictures` gives, in
 * [0, 1]) and its start, `inner-step` is one step. The batch of an update is then in the variables of the role `inner`.
 */
export function innerFetches<I extends typeof innerInputs & Specs>(
  program: InnerProgram,
  network: AttackedNetwork,
  { pictures, labels, taught }: Given<I>,
): Record<InnerFetch, Step<State, I>> {
  const variable = ({ state }: StepArguments<State, I>, name: string) =>
    required(state.inner[name], `the variable inner/${name}`);
  return {
    'inner-start': (step) => {
      // Interpolation may round beyond the range's ends.
      const picture = clip(pictures(step), 0, 1);
      const key = foldIn(step.inputs.key, 3);
      if (program.objective !== 'crossEntropy') {
        const attacked = add(picture, multiply(standardNormal(key, picture.shape), startDeviation));
        const clean =
          program.objective === 'divergence'
            ? network.logits(picture, step.state)
            : required(taught, 'the teachers to move away from')(picture, step);
        return { outputs: extent(attacked, picture), state: { inner: { picture, attacked, clean } } };
      }
      const noise = multiply(uniform(key, picture.shape, -1, 1), step.inputs.epsilon);
      const attacked = project(add(picture, noise), picture, step.inputs.epsilon);
      return { outputs: extent(attacked, picture), state: { inner: { picture, attacked } } };
    },
    'inner-step': (step) => {
      const [picture, attacked] = [variable(step, 'picture'), variable(step, 'attacked')];
      const { epsilon, stepSize } = step.inputs;
      const { gradients } = valueAndGradients({ attacked }, () => {
        const logits = network.logits(attacked, step.state);
        switch (program.objective) {
          case 'crossEntropy':
            return { loss: objectives.crossEntropy(logits, labels(step)) };
          case 'divergence':
            return { loss: divergence(variable(step, 'clean'), logits) };
          case 'divergenceFromTeachers':
            return { loss: divergenceFrom(variable(step, 'clean'), logits) };
        }
      });
      const gradient = required(gradients['attacked'], 'the gradient by the pictures');
      const moved = ascend(attacked, gradient, { picture, epsilon, stepSize });
      return { outputs: extent(moved, picture), state: { inner: { attacked: moved } } };
    },
  };
}
