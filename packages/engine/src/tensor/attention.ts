import { batchMatMul } from './arrays.js';
import { multiply, subtract } from './elementwise.js';
import { sum } from './reduction.js';
import { softmax } from './softmax.js';
import { differentiable, stopGradient } from './tape.js';
import { describe, type Tensor } from './tensor.js';

/**
 * Scaled dot-product attention (Vaswani et al., NeurIPS 2017, equation 1): softmax(q k' / sqrt(width)) v.
 *
 * The weights are by far the largest tensor here, so the gradient passes over them twice only: the row sums that the
 * softmax's gradient wants are those of gradient times output (Dao et al., NeurIPS 2022, appendix B.2).
 *
 * @param query, key, value [batch, heads, tokens, width]
 * @returns [batch, heads, tokens, width]
 */
export function attention(query: Tensor, key: Tensor, value: Tensor): Tensor {
  for (const other of [key, value])
    if (other.shape.join() !== query.shape.join())
      throw new RangeError(`attention of ${describe(query)} and ${describe(other)}: expected equal shapes`);
  const scale = 1 / Math.sqrt(query.size(-1));
  const [q, k, v] = [multiply(stopGradient(query), scale), stopGradient(key), stopGradient(value)];
  const weights = softmax(batchMatMul(q, k, false, true));
  const output = batchMatMul(weights, v);
  differentiable('Attention', [query, key, value], [output], ([gradient]) => {
    if (!gradient) return [null, null, null];
    const rows = sum(multiply(gradient, output), [-1], true);
    const scores = multiply(weights, subtract(batchMatMul(gradient, v, false, true), rows));
    return [
      multiply(batchMatMul(scores, k), scale),
      batchMatMul(scores, q, true, false),
      batchMatMul(weights, gradient, true, false),
    ];
  });
  return output;
}
