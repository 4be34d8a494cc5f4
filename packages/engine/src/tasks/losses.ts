import { exp, logSoftmax, mean, multiply, oneHot, subtract, sum, type Tensor } from '../tensor/index.js';

/**
 * One-hot labels, smoothed: (1 - smoothing) onehot + smoothing / classes (Szegedy et al., CVPR 2016, section 7).
 *
 * @param labels    int32 [batch]
 * @param smoothing in [0, 1); default 0
 * @returns [batch, classes], rows sum to 1
 */
export function smoothLabels(labels: Tensor, classes: number, smoothing = 0): Tensor {
  return oneHot(labels, classes, 1 - smoothing + smoothing / classes, smoothing / classes);
}

/**
 * KL(teacher^T || student^T) of each image: softmax at temperature T, sum over classes, without the factor T².
 *
 * @param student     logits, [batch, classes]
 * @param teacher     logits, [batch, classes]; no gradient flows into them
 * @param temperature > 0
 * @returns [batch], >= 0, in nats
 */
export function softDivergence(student: Tensor, teacher: Tensor, temperature: number): Tensor {
  const logTeacher = logSoftmax(multiply(teacher, 1 / temperature));
  const logStudent = logSoftmax(multiply(student, 1 / temperature));
  return sum(multiply(exp(logTeacher), subtract(logTeacher, logStudent)), [-1]);
}

/**
 * Knowledge distillation (Hinton, Vinyals & Dean, 2015, section 2): T² KL(teacher^T || student^T), sum over classes,
 * mean over the batch.
 *
 * @param student     logits, [batch, classes]
 * @param teacher     logits, [batch, classes]; no gradient flows into them
 * @param temperature > 0
 * @returns scalar, >= 0, in nats times T²
 */
export function distillation(student: Tensor, teacher: Tensor, temperature: number): Tensor {
  return multiply(mean(softDivergence(student, teacher, temperature)), temperature * temperature);
}
