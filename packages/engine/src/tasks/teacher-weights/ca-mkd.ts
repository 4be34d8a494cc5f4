import { multiply, oneHot, softmaxCrossEntropy, subtract, type Tensor } from '../../tensor/index.js';
import { columns, shares } from './columns.js';

/**
 * Confidence-aware weights of K teachers (CA-MKD: Zhang, Chen & Wang, ICASSP 2022, eq. 3):
 * w_k = (1 - softmax_k(CE(z_k, y))) / (K - 1); one teacher weighs 1. The paper's term over intermediate features is
 * not part of this: it compares logits only.
 *
 * @param logits of K teachers, each [batch, classes]
 * @param labels int32 [batch]
 * @returns [batch, K], rows sum to 1
 */
export function confidenceWeights(logits: readonly Tensor[], labels: Tensor): Tensor {
  const errors = columns(
    logits.map((teacher) => softmaxCrossEntropy(teacher, oneHot(labels, teacher.size(1)))),
  );
  if (logits.length === 1) return shares(errors);
  return multiply(subtract(1, shares(errors)), 1 / (logits.length - 1));
}
