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
import { augmented, frozenTeachers } from './batch.js';
import { trainingDefinition } from './definition.js';
import {
  evaluatedRole,
  type TrainingFetch,
  type TrainingInputs,
  type TrainingProgram,
  type TrainingState,
} from './program.js';
import { variableSpecs, type Specs } from './specs.js';

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
 * in inference mode: the one the student, the other the network that is evaluated.
 */
export function adversarialDefinition(
  program: TrainingProgram & { readonly inner: InnerProgram },
): AdversarialDefinition {
  const training = trainingDefinition(program);
  const measured = { images: program.images, batch: program.evaluationBatch };
  const { normalisation, task } = program;
  const specs = variableSpecs(program.student);
  const network = attackedModel(program.student, specs, normalisation);
  const evaluated = attackedModel(program.student, specs, normalisation, evaluatedRole(program));
  return {
    state: { ...training.state, attack: attackState(measured), inner: innerState(program.inner) },
    inputs: { ...training.inputs, ...innerInputs, ...attackInputs(measured) },
    fetches: {
      ...training.fetches,
      ...attackFetches(evaluated),
      ...innerFetches<AdversarialInputs>(program.inner, network, {
        pictures: ({ state, inputs }) =>
          multiply(augmented(program, resident(state, 'images'), inputs), 1 / 255),
        labels: ({ state, inputs }) => gather(resident(state, 'labels'), inputs.indices),
        taught: (picture, { state, inputs: { indices } }) => {
          const mixture = required(task.mixture, "the teachers' mixture");
          const images = normaliseUnit(picture, normalisation);
          const labels = gather(resident(state, 'labels'), indices);
          return mixture({
            batch: { images, labels, indices, updateLabels: labels },
            teachers: frozenTeachers(program, state),
            tables: required(state['tables'], 'the tables'),
          });
        },
      }),
    },
  };
}
