import { batchMatMul } from './arrays.js';
import { raised } from './cast.js';
import { divide, exp, multiply, subtract } from './elementwise.js';
import { max, sum } from './reduction.js';
import { differentiable, stopGradient } from './tape.js';
import { describe, type Tensor } from './tensor.js';

/**
 * Scaled dot-product attention (Vaswani et al., NeurIPS 2017, equation 1): softmax(q k' / sqrt(width)) v.
 *
 * The weights are by far the largest tensor here. So they stay unnormalised, and what is divided by their sums is the
 * output (in the gradient, the output's gradient); and the row sums that the softmax's gradient wants are those of
 * gradient times output (Dao et al., NeurIPS 2022, appendix B.2). The softmax is spelled out because TensorFlow's graphs
 * run their Softmax by oneDNN where eager execution does not, and the two round differently (so do 1 / x and Reciprocal,
 * which takes its place: hence quotients).
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
  const scores = raised(batchMatMul(q, k, false, true));
  const weights = exp(subtract(scores, max(scores, [-1])));
  const sums = sum(weights, [-1], true);
  const output = divide(batchMatMul(weights, v), sums);
  differentiable('Attention', [query, key, value], [output], ([gradient]) => {
    if (!gradient) return [null, null, null];
    const shared = divide(gradient, sums);
    const rows = sum(multiply(shared, output), [-1], true);
    const upstream = multiply(weights, subtract(batchMatMul(shared, v, false, true), rows));
    return [
      multiply(batchMatMul(upstream, k), scale),
      batchMatMul(upstream, q, true, false),
      batchMatMul(weights, shared, true, false),
    ];
  });
  return output;
}
