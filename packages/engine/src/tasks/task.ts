import type { TensorSpec } from '../capture/index.js';
import type { Tensor } from '../tensor/index.js';

export interface Batch {
  /** float32 [batch, size, size, channels], augmented and normalised. */
  readonly images: Tensor;
  /** int32 [batch]. */
  readonly labels: Tensor;
  /** int32 [batch]: which of the training images these are. */
  readonly indices: Tensor;
  /** int32: the labels of the whole update, of which this batch may be a part. */
  readonly updateLabels: Tensor;
  /** Where each picture shows a second image: that one's label, and how much of the picture is the first (0.5 to 1). */
  readonly mixed?: { readonly labels: Tensor; readonly share: Tensor };
}

/** Networks as functions of images; a teacher is frozen and in inference mode. */
export interface TaskModels {
  readonly student: (images: Tensor) => Tensor;
  readonly teachers: readonly ((images: Tensor) => Tensor)[];
}

/** What a training with an inner attack sees besides. */
export interface AttackedStep {
  /** The batch's images as the inner attack left them, normalised. */
  readonly images: Tensor;
  /** The student in the same mode once more, in a pass of its own that renews no batch-norm statistics. */
  readonly studentApart: (images: Tensor) => Tensor;
}

/** Everything one step of a task sees. */
export interface TaskStep extends TaskModels {
  readonly batch: Batch;
  /** Only where the training has an inner attack. */
  readonly attacked?: AttackedStep;
  /** The task's tables, by the names it declared. */
  readonly tables: Readonly<Record<string, Tensor>>;
  /** The task's own inputs of this step, by the names it declared. */
  readonly inputs: Readonly<Record<string, Tensor>>;
}

/** What is known of a batch before the student has seen it. */
export type TaughtStep = Pick<TaskStep, 'batch' | 'teachers' | 'tables'>;

export interface TaskResult {
  /** Scalar that is differentiated. */
  readonly loss: Tensor;
  /** The student's logits, for the accuracy on the batch. */
  readonly logits: Tensor;
  /** Further scalars to report, by name (`train.` is put before it). */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** Values of any shape for the task's host alone (see TaskHost.observe). */
  readonly observations?: Readonly<Record<string, Tensor>>;
}

export type TensorSpecs = Readonly<Record<string, TensorSpec>>;

/** What one training step computes: text only. Its data and all that changes come from a TaskHost. */
export interface Task {
  /** Fixed values that the step reads (class weights, strengths of teachers, …): variables, written once. */
  readonly tables: TensorSpecs;
  /** What the step is told anew each time, beside the trainer's own inputs. */
  readonly inputs: TensorSpecs;
  readonly compute: (step: TaskStep) => TaskResult;
  /** The weighed teachers' probabilities, [batch, classes], which an inner attack may move the student away from. */
  readonly mixture?: (step: TaughtStep) => Tensor;
}
