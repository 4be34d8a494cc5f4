import type { RebalanceSpec } from '@ferment/contracts';
import { required } from '../required.js';
import type { TableValues } from './host.js';

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

/** The table that each method's loss reads, [classes]; the others need none. */
export const rebalanceTables = { weights: 'classWeights', offsets: 'logitOffsets' } as const;

/** Values of the table of a method, from the training labels. */
export function rebalanceValues(
  rebalance: RebalanceSpec | null,
  labels: Int32Array,
  classes: number,
): TableValues {
  const counts = classCounts(labels, classes);
  switch (rebalance?.method) {
    case 'class-weights':
      return { [rebalanceTables.weights]: Float32Array.from(balancedWeights(counts)) };
    case 'effective-number':
      return { [rebalanceTables.weights]: Float32Array.from(effectiveNumberWeights(counts, rebalance.beta)) };
    case 'logit-adjustment':
      return { [rebalanceTables.offsets]: Float32Array.from(logitOffsets(counts, rebalance.tau)) };
    default:
      return {};
  }
}
