import { JobFailure } from '@ferment/contracts';
import { capture, elements, interpret, type Program, type TensorData } from '../capture/index.js';
import { randomStream } from '../random/index.js';
import { required } from '../required.js';
import type { TableValues } from '../tasks/index.js';
import { decodeWeights, type Values } from './checkpoint.js';
import { adversarialDefinition } from './adversarial-definition.js';
import type { AdversarialSession } from './adversary.js';
import { trainingDefinition } from './definition.js';
import type { TrainingInputs } from './inputs.js';
import { frozenValues } from './network.js';
import { teacherRole, type TrainingDefinition, type TrainingFetch, type TrainingProgram } from './program.js';
import { slotSpecs } from './specs.js';

export type Session = Program<TrainingDefinition['state'], TrainingDefinition['inputs'], TrainingFetch>;

/** A program's session; `adversarial` is the same one where the program has an inner attack. */
export interface OpenedSession {
  readonly session: Session;
  readonly adversarial: AdversarialSession | null;
}

export function openSession(program: TrainingProgram, execution: 'captured' | 'eager'): OpenedSession {
  const { inner } = program;
  if (inner) {
    const definition = adversarialDefinition({ ...program, inner });
    const adversarial = execution === 'captured' ? capture(definition) : interpret(definition);
    return { session: adversarial, adversarial };
  }
  const definition = trainingDefinition(program);
  return {
    session: execution === 'captured' ? capture(definition) : interpret(definition),
    adversarial: null,
  };
}

/** Zeros for the gradients of a batch in parts, which each update leaves at zero again. */
function noGradients({ student, parts, rates }: TrainingProgram): TableValues {
  if (parts === 1) return {};
  const trained = student.variables.filter(({ name }) => rates.has(name));
  return Object.fromEntries(
    trained.map(({ name, shape }) => [name, new Float32Array(elements(shape))] as const),
  );
}

/** Writes what no update changes: the data set, the teachers, the task's tables, and no gradients. */
export function writeFixed(
  session: Session,
  program: TrainingProgram,
  { data, teachers }: TrainingInputs,
  tables: TableValues,
): void {
  session.write('data', { images: data.train.pixels, labels: data.train.labels });
  session.write('tables', tables);
  session.write('gradients', noGradients(program));
  teachers.forEach((teacher, index) => {
    const frozen = required(program.teachers[index], 'the teacher');
    for (const [role, values] of Object.entries(frozenValues(teacherRole(index), frozen, teacher)))
      session.write(role, values);
  });
}

/** Writes the student as it is before the first update: weights given or drawn from the seed, empty slots. */
export function writeFresh(
  session: Session,
  { student, optimizer, average }: TrainingProgram,
  { start, params }: TrainingInputs,
): void {
  const drawn = () =>
    Object.fromEntries(
      student.variables.map(({ name, shape, initial }) => [
        name,
        initial(randomStream(params.seed, `initial/${name}`), shape),
      ]),
    );
  const weights = start ? decodeWeights(student, start) : drawn();
  session.write('model', weights);
  if (average) session.write('evaluated', weights);
  const slots = Object.entries(slotSpecs(student, optimizer)).map(
    ([name, { shape }]) => [name, new Float32Array(elements(shape))] as const,
  );
  session.write('optimizer', Object.fromEntries(slots));
}

function floats(values: Readonly<Record<string, TensorData>>): Values {
  return Object.fromEntries(Object.entries(values).map(([name, data]) => [name, Float32Array.from(data)]));
}

export function diverged(step: number, what: string): JobFailure {
  return new JobFailure('diverged', `diverged at step ${step}: ${what}; try a lower learning rate`, { step });
}

/**
 * The network's or the optimizer's state. An update may overflow although its loss was finite: such a state is handed
 * to nobody, so that the last checkpoint and the best weights are always ones to go on from.
 *
 * @throws JobFailure `diverged`
 */
export function readFinite(
  session: Session,
  role: 'model' | 'optimizer' | 'evaluated',
  step: number,
): Values {
  const values = floats(session.read(role));
  const name = Object.keys(values).find((key) => !values[key]?.every(Number.isFinite));
  if (name !== undefined)
    throw diverged(step, `${role === 'optimizer' ? "the optimizer's " : ''}${name} is no longer finite`);
  return values;
}
