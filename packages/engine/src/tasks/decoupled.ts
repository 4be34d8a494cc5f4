import { add, exp, logSoftmax, multiply, oneHot, subtract, sum, type Tensor } from '../tensor/index.js';

/** As the authors' code has it: a logit so far below the others that its probability is zero. */
const hidden = 1000;

interface Parts {
  /** log p_y, [batch]. */
  readonly target: Tensor;
  /** log (1 - p_y), [batch]. */
  readonly rest: Tensor;
  /** log softmax over the other classes, [batch, classes]; about -1000 at the label. */
  readonly others: Tensor;
}

function parts(logits: Tensor, label: Tensor, other: Tensor, temperature: number): Parts {
  const classes = logits.size(1);
  const scaled = multiply(logits, 1 / temperature);
  const all = logSoftmax(scaled);
  const others = logSoftmax(subtract(scaled, multiply(label, hidden)));
  // log p_c - log q_c is log (1 - p_y) for every c but y: their mean never takes the logarithm of a rounded zero.
  const rest = multiply(sum(multiply(other, subtract(all, others)), [-1]), 1 / (classes - 1));
  return { target: sum(multiply(label, all), [-1]), rest, others };
}

/**
 * The two terms of decoupled knowledge distillation (Zhao et al., CVPR 2022, eq. 5 to 7) for each image, each with its
 * factor T². With b = [p_y, 1 - p_y] of softmax(z / T) and q the softmax of z / T over the other classes:
 *
 * - target: TCKD = T² KL(b_teacher || b_student)
 * - others: NCKD = T² KL(q_teacher || q_student)
 *
 * Plain distillation is TCKD + (1 - p_teacher[y]) NCKD.
 *
 * @param student     logits, [batch, classes]
 * @param teacher     logits, [batch, classes]; no gradient flows into them
 * @param labels      int32 [batch]
 * @param temperature > 0
 * @returns two of [batch], >= 0, in nats times T²
 */
export function decoupledTerms(
  student: Tensor,
  teacher: Tensor,
  labels: Tensor,
  temperature: number,
): { target: Tensor; others: Tensor } {
  const classes = student.size(1);
  const label = oneHot(labels, classes);
  const other = oneHot(labels, classes, 0, 1);
  const t = parts(teacher, label, other, temperature);
  const s = parts(student, label, other, temperature);
  const weighed = (logTeacher: Tensor, logStudent: Tensor) =>
    multiply(exp(logTeacher), subtract(logTeacher, logStudent));
  const square = temperature * temperature;
  return {
    target: multiply(add(weighed(t.target, s.target), weighed(t.rest, s.rest)), square),
    others: multiply(sum(weighed(t.others, s.others), [-1]), square),
  };
}

/** alpha TCKD + beta NCKD for each image, [batch] (see decoupledTerms). */
export function decoupledDistillation(
  student: Tensor,
  teacher: Tensor,
  labels: Tensor,
  { temperature, alpha, beta }: { temperature: number; alpha: number; beta: number },
): Tensor {
  const { target, others } = decoupledTerms(student, teacher, labels, temperature);
  return add(multiply(target, alpha), multiply(others, beta));
}
