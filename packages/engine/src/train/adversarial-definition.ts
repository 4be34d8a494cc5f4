import {
  attackedModel,
  attackFetches,
  attackInputs,
  attackState,
  type AttackFetch,
} from '../attacks/index.js';
import {
  innerFetches,
  innerInputs,
  innerState,
  type InnerFetch,
  type InnerProgram,
} from '../attacks/inner.js';
import type { ProgramDefinition } from '../capture/index.js';
import { normaliseUnit } from '../nn/index.js';
import { required } from '../required.js';
import { gather, multiply, type Tensor } from '../tensor/index.js';
import { trainingDefinition } from './definition.js';
import type { TrainingFetch, TrainingInputs, TrainingProgram, TrainingState } from './program.js';
import { variableSpecs, type Specs } from './specs.js';
import { augmented, frozenTeachers } from './train-step.js';

type AttackState = ReturnType<typeof attackState>;
type AttackInputs = ReturnType<typeof attackInputs>;

export type AdversarialState = TrainingState & { readonly attack: AttackState; readonly inner: Specs };
export type AdversarialInputs = TrainingInputs & AttackInputs;
export type AdversarialFetch = TrainingFetch | InnerFetch | AttackFetch;
export type AdversarialDefinition = ProgramDefinition<AdversarialState, AdversarialInputs, AdversarialFetch>;

/** A part of the resident data set. */
function resident(
  state: Readonly<Record<string, Readonly<Record<string, Tensor>>>>,
  name: 'images' | 'labels',
): Tensor {
  return required(state['data']?.[name], `the variable data/${name}`);
}

/**
 * The program of a training with attacks: that of a training, with the inner attack on each update's batch (role
 * `inner`) and the attack that measures robust validation accuracy (role `attack`) beside it in one session. Both attack
 * the student in inference mode.
 */
export function adversarialDefinition(
  program: TrainingProgram & { readonly inner: InnerProgram },
): AdversarialDefinition {
  const training = trainingDefinition(program);
  const measured = { images: program.images, batch: program.evaluationBatch };
  const { normalisation, task } = program;
  const network = attackedModel(program.student, variableSpecs(program.student), normalisation);
  return {
    state: { ...training.state, attack: attackState(measured), inner: innerState(program.inner) },
    inputs: { ...training.inputs, ...innerInputs, ...attackInputs(measured) },
    fetches: {
      ...training.fetches,
      ...attackFetches(network),
      ...innerFetches<AdversarialInputs>(program.inner, network, {
        pictures: ({ state, inputs }) =>
          multiply(augmented(program, resident(state, 'images'), inputs), 1 / 255),
        labels: ({ state, inputs }) => gather(resident(state, 'labels'), inputs.indices),
        taught: (picture, { state, inputs: { indices } }) => {
          const mixture = required(task.mixture, "the teachers' mixture");
          const images = normaliseUnit(picture, normalisation);
          return mixture({
            batch: { images, labels: gather(resident(state, 'labels'), indices), indices },
            teachers: frozenTeachers(program, state),
            tables: required(state['tables'], 'the tables'),
          });
        },
      }),
    },
  };
}
