import {
  adversarialMethodNames,
  augmentation,
  JobFailure,
  mixingProblem,
  type AdversarialMethodSpec,
  type DistillMethodSpec,
  type TrainSpec,
} from '@ferment/contracts';
import type { MixOptions } from '../augment/index.js';
import type { InnerObjective, InnerProgram } from '../attacks/inner.js';
import { createModel } from '../models/index.js';
import { createOptimizer } from '../optimizers/index.js';
import {
  classification,
  classStrength,
  constantHost,
  distill,
  DistillHost,
  distillNames,
  jointAdversarial,
  pgdAt,
  rebalanceValues,
  strengthWeights,
  supervised,
  trades,
  type RunLength,
  type TableValues,
  type Task,
  type TaskHost,
} from '../tasks/index.js';
import type { InnerAttack } from './adversary.js';
import type { TrainingProgram } from './program.js';
import { parameterRates } from './rates.js';
import { channelsOf, classes, evaluationBatch, type Teacher, type TrainingInputs } from './inputs.js';
import { frozenNetwork } from './network.js';

type Eadd = Extract<DistillMethodSpec, { name: 'eadd' }>;

function isAdversarial(method: AdversarialMethodSpec | DistillMethodSpec): method is AdversarialMethodSpec {
  return (adversarialMethodNames as readonly string[]).includes(method.name);
}

function methodOf({ params }: TrainingInputs): DistillMethodSpec {
  if ('method' in params && !isAdversarial(params.method)) return params.method;
  throw new JobFailure('user', 'a distillation needs a method');
}

/** The method of an adversarial training; null for any other training. */
function adversarialMethodOf({ params, method }: TrainingInputs): AdversarialMethodSpec | null {
  if (method !== 'adversarial') return null;
  if ('method' in params && isAdversarial(params.method)) return params.method;
  throw new JobFailure(
    'user',
    `an adversarial training needs a method: ${adversarialMethodNames.join(' or ')}`,
  );
}

/** The attack on each update's pictures and what it raises; null for a training without one. */
export function innerAttackOf(
  inputs: TrainingInputs,
): { attack: InnerAttack; objective: InnerObjective } | null {
  const method = adversarialMethodOf(inputs);
  if (method) return { attack: method, objective: method.name === 'trades' ? 'divergence' : 'crossEntropy' };
  const joint = inputs.method === 'distill' ? jointAdversarial(methodOf(inputs)) : null;
  if (!joint) return null;
  const objective = joint.term === 'trades' ? 'divergence' : 'divergenceFromTeachers';
  return { attack: { ...joint, name: `distillation with ${joint.term}` }, objective };
}

const nameOf = ({ name }: Teacher, index: number) => name ?? `teacher${index}`;

function taskOf(inputs: TrainingInputs): Task {
  const { params, method, teachers, data } = inputs;
  const { labelSmoothing, rebalance } = params.train;
  const { head } = params.model;
  const labels = classification({
    ...{ classes, labelSmoothing, rebalance },
    ...(head && { cosineScale: head.scale }),
  });
  if (method === 'train') return supervised(labels);
  const adversarial = adversarialMethodOf(inputs);
  if (adversarial) return adversarial.name === 'trades' ? trades(labels, adversarial.beta) : pgdAt(labels);
  if (teachers.length === 0) throw new JobFailure('user', 'a distillation needs at least one teacher');
  return distill({
    classes,
    classification: labels,
    method: methodOf(inputs),
    teachers: teachers.length,
    outOfFold: teachers.every(({ outOfFold }) => outOfFold) ? { images: data.train.count } : null,
  });
}

/** Pictures of one pass: a part of the batch where it is cut up. */
const partSize = ({ batch, accumulate }: TrainSpec) => batch / accumulate;

/** @throws JobFailure of class `user` where a loss needs one label for each picture */
function mixOf({ params }: TrainingInputs): MixOptions | null {
  const problem = mixingProblem({ ...params, method: 'method' in params ? params.method : null });
  if (problem !== null) throw new JobFailure('user', `train.mixup, train.cutmix: ${problem}`);
  const { mixup, cutmix } = params.train;
  return mixup === 0 && cutmix === 0 ? null : { mixup, cutmix };
}

function innerOf(inputs: TrainingInputs, images: InnerProgram['images']): InnerProgram | null {
  const inner = innerAttackOf(inputs);
  if (!inner) return null;
  return { objective: inner.objective, batch: partSize(inputs.params.train), images, classes };
}

/** The text of the program that a job's parameters describe; neither seed nor length of the run are part of it. */
export function describeTraining(inputs: TrainingInputs): TrainingProgram {
  const { params, data, teachers } = inputs;
  const { train } = params;
  const input = { size: data.train.size, channels: channelsOf(data.train), classes };
  if (data.train.count < train.batch)
    throw new JobFailure(
      'user',
      `train.batch is ${train.batch}, but there are only ${data.train.count} training images: expected at most as many`,
    );
  const student = createModel(params.model, input);
  return {
    student,
    teachers: teachers.map((teacher) => frozenNetwork(teacher, input)),
    task: taskOf(inputs),
    optimizer: createOptimizer(train.optimizer),
    augment: augmentation(train.augment),
    mix: mixOf(inputs),
    batch: partSize(train),
    parts: train.accumulate,
    ...parameterRates(student, train),
    precision: train.precision,
    sharpness: train.optimizer.sam?.rho ?? null,
    clip: train.clip,
    average: train.ema !== null,
    recalibrated: train.recalibrate !== null,
    images: { size: input.size, channels: input.channels, count: data.train.count },
    normalisation: { mean: data.mean, std: data.std },
    evaluationBatch,
    inner: innerOf(inputs, input),
  };
}

function outOfFoldOf(teacher: Teacher, index: number, images: number): Float32Array {
  const { outOfFold } = teacher;
  if (outOfFold?.length === images * classes) return outOfFold;
  throw new JobFailure(
    'user',
    `eadd weighs its teachers by predictions out of fold: expected ${images} x ${classes} logits of ${nameOf(teacher, index)}, got ${outOfFold?.length ?? 'none'}`,
  );
}

/** Wcls [teachers, classes]: from predictions out of fold, or equal where the method leaves class strength out. */
function strengthTable(method: Eadd, { teachers, data }: TrainingInputs): number[][] {
  if (!method.classStrength) return teachers.map(() => new Array<number>(classes).fill(1 / teachers.length));
  const { labels, count } = data.train;
  const { strength: measure, shrinkage, tau } = method;
  const strengths = teachers.map((teacher, index) =>
    classStrength(outOfFoldOf(teacher, index, count), labels, classes, { measure, shrinkage }),
  );
  return strengthWeights(strengths, tau);
}

function distillTables(method: DistillMethodSpec, inputs: TrainingInputs, task: Task): TableValues {
  const { teachers, data } = inputs;
  const tables: Record<string, Float32Array> = {};
  if (method.calibrated)
    tables[distillNames.temperatures] = Float32Array.from(teachers, (teacher, index) => {
      if (teacher.temperature !== undefined) return teacher.temperature;
      throw new JobFailure(
        'user',
        `${method.name} takes calibrated teachers: expected a temperature for ${nameOf(teacher, index)}`,
      );
    });
  if (method.name === 'eadd') {
    tables[distillNames.strengths] = Float32Array.from(strengthTable(method, inputs).flat());
    teachers.forEach((teacher, index) => {
      const name = distillNames.outOfFold(index);
      if (name in task.tables) tables[name] = outOfFoldOf(teacher, index, data.train.count);
    });
  }
  return tables;
}

/** The host of the task that `describeTraining` gives for the same inputs. */
export function hostOf(inputs: TrainingInputs, task: Task, length: RunLength): TaskHost {
  const { params, data, teachers } = inputs;
  const { labels } = data.train;
  const tables = rebalanceValues(params.train.rebalance, labels, classes);
  if (inputs.method !== 'distill') return constantHost(tables);
  const method = methodOf(inputs);
  const all = { ...tables, ...distillTables(method, inputs, task) };
  return new DistillHost(method, all, labels, teachers.map(nameOf), length);
}
