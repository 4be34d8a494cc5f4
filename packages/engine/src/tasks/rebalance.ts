import type { RebalanceSpec } from '@ferment/contracts';
import { required } from '../required.js';
import { add, divide, gather, multiply, softmaxCrossEntropy, sum, type Tensor } from '../tensor/index.js';
import type { TableValues } from './host.js';
import { crossEntropy, smoothLabels } from './losses.js';
import type { TensorSpecs } from './task.js';

/** Images of each class. */
export function classCounts(labels: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of labels) counts[label] = required(counts[label], `class ${label}`) + 1;
  return counts;
}

/** Weights N / (C n_c) of each class, so that every class has the same whole weight; a class without images has 0. */
export function balancedWeights(counts: readonly number[]): number[] {
  const images = counts.reduce((total, count) => total + count, 0);
  return counts.map((count) => (count === 0 ? 0 : images / (counts.length * count)));
}

/**
 * Weights by the effective number of samples (Cui et al., CVPR 2019, eq. 2 and section 4): (1 - beta) /
 * (1 - beta^n_c), scaled to sum C. A class without images has 0.
 */
export function effectiveNumberWeights(counts: readonly number[], beta: number): number[] {
  const raw = counts.map((count) => (count === 0 ? 0 : (1 - beta) / (1 - beta ** count)));
  const total = raw.reduce((whole, weight) => whole + weight, 0);
  return raw.map((weight) => (weight * counts.length) / total);
}

/** tau log prior of each class (Menon et al., ICLR 2021, eq. 10); a class without images counts as half an image. */
export function logitOffsets(counts: readonly number[], tau: number): number[] {
  const images = counts.reduce((total, count) => total + count, 0);
  return counts.map((count) => tau * Math.log(Math.max(count, 0.5) / images));
}

/** The loss of a task against the labels, with the table it reads. */
export interface Classification {
  readonly tables: TensorSpecs;
  /** Mean loss of a batch, a scalar, from logits [batch, classes] and labels int32 [batch]. */
  readonly loss: (logits: Tensor, labels: Tensor, tables: Readonly<Record<string, Tensor>>) => Tensor;
}

const weightsTable = 'classWeights';
const offsetsTable = 'logitOffsets';

/**
 * Cross entropy with smoothed labels, rebalanced between the classes.
 *
 * Weights: sum_i w[y_i] CE_i / sum_i w[y_i] over the batch, the weighted mean of torch's CrossEntropyLoss(weight). With
 * smoothed labels an image weighs by its label (torch weighs each class's share of the smoothing by that class).
 * Logit adjustment: CE of logits + tau log prior. A balanced sampler needs no other loss.
 */
export function classification(options: {
  classes: number;
  labelSmoothing: number;
  rebalance: RebalanceSpec | null;
}): Classification {
  const { classes, labelSmoothing, rebalance } = options;
  const perClass = { shape: [classes], dtype: 'float32' } as const;
  const targets = (labels: Tensor) => smoothLabels(labels, classes, labelSmoothing);
  switch (rebalance?.method) {
    case 'class-weights':
    case 'effective-number':
      return {
        tables: { [weightsTable]: perClass },
        loss(logits, labels, tables) {
          const weights = gather(required(tables[weightsTable], weightsTable), labels);
          const weighed = multiply(softmaxCrossEntropy(logits, targets(labels)), weights);
          return divide(sum(weighed), sum(weights));
        },
      };
    case 'logit-adjustment':
      return {
        tables: { [offsetsTable]: perClass },
        loss: (logits, labels, tables) =>
          crossEntropy(add(logits, required(tables[offsetsTable], offsetsTable)), targets(labels)),
      };
    default:
      return { tables: {}, loss: (logits, labels) => crossEntropy(logits, targets(labels)) };
  }
}

/** Values of the table of `classification`, from the training labels. */
export function classificationTables(
  rebalance: RebalanceSpec | null,
  labels: Int32Array,
  classes: number,
): TableValues {
  const counts = classCounts(labels, classes);
  switch (rebalance?.method) {
    case 'class-weights':
      return { [weightsTable]: Float32Array.from(balancedWeights(counts)) };
    case 'effective-number':
      return { [weightsTable]: Float32Array.from(effectiveNumberWeights(counts, rebalance.beta)) };
    case 'logit-adjustment':
      return { [offsetsTable]: Float32Array.from(logitOffsets(counts, rebalance.tau)) };
    default:
      return {};
  }
}
