import type { AugmentDetail, Precision } from '@ferment/contracts';
import type { ProgramDefinition, TensorSpec } from '../capture/index.js';
import type { MixOptions } from '../augment/index.js';
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
  /** How images of a batch are mixed with one another; null where they are not. */
  readonly mix: MixOptions | null;
  /** Pictures of one pass: an update's batch, or a part of it. */
  readonly batch: number;
  /** Parts of an update's batch. */
  readonly parts: number;
  /** What each trained parameter's rate is multiplied with; those that are not in it stay as they are. */
  readonly rates: ReadonlyMap<string, number>;
  /** The parameters that stay as they are. */
  readonly frozen: ReadonlySet<string>;
  /** In which type the networks' products are computed while training. */
  readonly precision: Precision;
  /** rho of sharpness-aware minimisation; null without it. */
  readonly sharpness: number | null;
  /** The joint norm that gradients are scaled down to; null without. */
  readonly clip: number | null;
  /** Whether a moving average of the network is kept, which is then the one that counts. */
  readonly average: boolean;
  /** Whether the network is evaluated with batch-norm statistics of its own. */
  readonly recalibrated: boolean;
  readonly images: ImageShape & { readonly count: number };
  readonly normalisation: Normalisation;
  readonly evaluationBatch: number;
  /** The attack on each update's images; null where the training has none. */
  readonly inner: InnerProgram | null;
}

/** The type of 16 bits that a training computes products in; null where it is float32. */
export const lowTypeOf = ({ precision }: TrainingProgram) => (precision === 'float32' ? null : precision);

/** Whether the loss is scaled, so that small gradients are not lost: float16 reaches down to 6e-8, bfloat16 as far as float32. */
export const scalesLoss = ({ precision }: TrainingProgram) => precision === 'float16';

/** The input of a scaled loss: what it is multiplied by. */
export const lossScaleInput = 'lossScale';

/** The role of the network that is evaluated and kept: the trained one itself, or one that is derived from it. */
export const evaluatedRole = ({ average, recalibrated }: TrainingProgram) =>
  average || recalibrated ? 'evaluated' : 'model';

export const teacherRole = (index: number) => `teacher${index}`;

/** Inputs of the trainer itself; a task may have more (see Task.inputs). */
export function inputSpecs(program: TrainingProgram) {
  return {
    indices: { shape: [program.batch], dtype: 'int32' },
    key: { shape: [2], dtype: 'int32' },
    learningRate: { shape: [], dtype: 'float32' },
    correction1: { shape: [], dtype: 'float32' },
    correction2: { shape: [], dtype: 'float32' },
    /** Which images the whole update sees; of a batch in parts. */
    update: { shape: [program.batch * program.parts], dtype: 'int32' },
    /** Of the moving average of the weights. */
    decay: { shape: [], dtype: 'float32' },
    /** Weight of a recalibration's batch in the mean of those so far. */
    newest: { shape: [], dtype: 'float32' },
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
  /** Gradients of the parts so far, of a batch in parts; a role without variables otherwise. */
  readonly gradients: Specs;
  /** The network that is evaluated, where it is not the trained one. */
  readonly evaluated: Specs;
}
/** Teachers come beside the student, one role each, or several where logits are fused. */
export type TrainingState = StudentState & Readonly<Record<string, Specs>>;

export type TrainingFetch = 'train' | 'evaluate' | 'accumulate' | 'snapshot' | 'recalibrate';

export type TrainingDefinition = ProgramDefinition<TrainingState, TrainingInputs, TrainingFetch>;
