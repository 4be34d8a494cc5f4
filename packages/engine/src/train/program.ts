import type { AugmentDetail } from '@ferment/contracts';
import type { ProgramDefinition, TensorSpec } from '../capture/index.js';
import type { Model, Normalisation } from '../nn/index.js';
import type { Optimizer } from '../optimizers/index.js';
import type { Task } from '../tasks/index.js';
import type { InnerProgram } from '../attacks/inner.js';
import type { FrozenNetwork } from './network.js';
import { evaluationInputs, type ImageShape, type Specs } from './specs.js';

/** Everything the text of a training program depends on: nothing here changes from step to step. */
export interface TrainingProgram {
  readonly student: Model;
  readonly teachers: readonly FrozenNetwork[];
  readonly task: Task;
  readonly optimizer: Optimizer;
  readonly augment: AugmentDetail;
  readonly batch: number;
  readonly images: ImageShape & { readonly count: number };
  readonly normalisation: Normalisation;
  readonly evaluationBatch: number;
  /** The attack on each update's images; null where the training has none. */
  readonly inner: InnerProgram | null;
}

export const teacherRole = (index: number) => `teacher${index}`;

/** Inputs of the trainer itself; a task may have more (see Task.inputs). */
export function inputSpecs(program: TrainingProgram) {
  return {
    indices: { shape: [program.batch], dtype: 'int32' },
    key: { shape: [2], dtype: 'int32' },
    learningRate: { shape: [], dtype: 'float32' },
    correction1: { shape: [], dtype: 'float32' },
    correction2: { shape: [], dtype: 'float32' },
    ...evaluationInputs(program.images, program.evaluationBatch),
  } as const satisfies Specs;
}

export type TrainingInputs = ReturnType<typeof inputSpecs> & Specs;

interface StudentState {
  readonly model: Specs;
  readonly optimizer: Specs;
  readonly data: { readonly images: TensorSpec; readonly labels: TensorSpec };
  /** The task's tables. */
  readonly tables: Specs;
}
/** Teachers come beside the student, one role each, or several where logits are fused. */
export type TrainingState = StudentState & Readonly<Record<string, Specs>>;

export type TrainingFetch = 'train' | 'evaluate';

export type TrainingDefinition = ProgramDefinition<TrainingState, TrainingInputs, TrainingFetch>;
