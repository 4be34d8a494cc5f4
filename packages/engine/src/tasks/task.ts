import type { Tensor } from '../tensor/index.js';

export interface Batch {
  /** float32 [batch, size, size, channels], augmented and normalised. */
  readonly images: Tensor;
  /** int32 [batch]. */
  readonly labels: Tensor;
}

/** Networks as functions of images; a teacher is frozen and in inference mode. */
export interface TaskModels {
  readonly student: (images: Tensor) => Tensor;
  readonly teachers: readonly ((images: Tensor) => Tensor)[];
}

export interface TaskResult {
  /** Scalar that is differentiated. */
  readonly loss: Tensor;
  /** The student's logits, for the accuracy on the batch. */
  readonly logits: Tensor;
  /** Further scalars to report, by name (`train.` is put before it). */
  readonly metrics: Readonly<Record<string, Tensor>>;
}

/** What one training step computes. */
export type Task = (batch: Batch, models: TaskModels) => TaskResult;
