import { classF1, confusionOf } from '@ferment/statistics';
import { required } from '../required.js';

export type StrengthMeasure = 'f1' | 'recall';

/** Recall of each class from a confusion matrix (rows given, columns predicted); 0 for a class that is not there. */
export function classRecall(confusion: readonly (readonly number[])[]): number[] {
  return confusion.map((row, label) => {
    const given = row.reduce((sum, count) => sum + count, 0);
    return given === 0 ? 0 : required(row[label], 'a count') / given;
  });
}

/**
 * EADD's class strengths of one teacher: its F1 (or recall) a_c of each class from out-of-fold predictions on the
 * training images, shrunk towards the teacher's own mean a: A_c = (n_c a_c + m a) / (n_c + m).
 *
 * @param logits    row-major [images, classes], each by a network that did not see the image
 * @param labels    [images]
 * @param options   measure: default F1; shrinkage m: images, default 50
 * @returns [classes], fractions
 */
export function classStrength(
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
  { measure = 'f1', shrinkage = 50 }: { measure?: StrengthMeasure; shrinkage?: number } = {},
): number[] {
  const confusion = confusionOf(logits, labels, classes);
  const scores = measure === 'f1' ? classF1(confusion) : classRecall(confusion);
  const mean = scores.reduce((sum, score) => sum + score, 0) / classes;
  return scores.map((score, label) => {
    const images = required(confusion[label], 'a row').reduce((sum, count) => sum + count, 0);
    const weight = images + shrinkage;
    return weight === 0 ? mean : (images * score + shrinkage * mean) / weight;
  });
}

/**
 * Weights of K teachers for each class: Wcls[k, c] = softmax over k of A[k, c] / tau.
 *
 * @param strengths K rows of [classes]
 * @param tau       > 0; towards 0 the best teacher of a class has all its weight, towards infinity all weigh the same
 * @returns K rows of [classes]; a class's weights sum to 1
 */
export function strengthWeights(strengths: readonly (readonly number[])[], tau: number): number[][] {
  const classes = strengths[0]?.length ?? 0;
  const weights = strengths.map(() => new Array<number>(classes).fill(0));
  for (let label = 0; label < classes; label += 1) {
    const scores = strengths.map((row) => required(row[label], 'a strength'));
    const highest = Math.max(...scores);
    const powers = scores.map((score) => Math.exp((score - highest) / tau));
    const total = powers.reduce((sum, power) => sum + power, 0);
    powers.forEach((power, teacher) => {
      required(weights[teacher], 'a row')[label] = power / total;
    });
  }
  return weights;
}
