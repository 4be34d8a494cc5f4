import { concatenate, exp, logSoftmax, reshape, slice, type Tensor } from '../../tensor/index.js';

/** K vectors [batch] side by side: [batch, K]; no gradient. */
export function columns(vectors: readonly Tensor[]): Tensor {
  return concatenate(
    vectors.map((vector) => reshape(vector, [vector.size(0), 1])),
    1,
  );
}

/** Column k of [batch, K] as [batch]; no gradient. */
export function column(matrix: Tensor, index: number): Tensor {
  const rows = matrix.size(0);
  return reshape(slice(matrix, [0, index], [rows, 1]), [rows]);
}

/**
 * Softmax over the last axis by way of its logarithm: TensorFlow's own Softmax rounds otherwise in a captured graph than
 * op by op, and weights multiply what is learnt.
 */
export function shares(values: Tensor): Tensor {
  return exp(logSoftmax(values));
}
