import {
  add,
  gather,
  log,
  matMul,
  multiply,
  sum,
  transpose,
  negate,
  type Tensor,
} from '../../tensor/index.js';
import { shares } from './columns.js';

/** Keeps the logarithm of a weight that rounded to zero finite; no weight above it notices. */
const smallest = 1e-20;

const logarithm = (weights: Tensor) => log(add(weights, smallest));

/**
 * EADD: class strength and instance reliability of K teachers in one weight: w_k proportional to
 * strength_k^lambda reliability_k^(1 - lambda), with sum 1 over the teachers.
 *
 * @param strength    [batch, K]: Wcls[k, y], or sum_c pbar(c|x) Wcls[k, c] without labels; in [0, 1]
 * @param reliability [batch, K], in [0, 1]; null where all teachers are held equally reliable
 * @param lambda      in [0, 1]; 1 is class strength alone, 0 reliability alone
 * @returns [batch, K], rows sum to 1
 */
export function emotionAwareWeights(strength: Tensor, reliability: Tensor | null, lambda: number): Tensor {
  const strong = multiply(logarithm(strength), lambda);
  return shares(reliability ? add(strong, multiply(logarithm(reliability), 1 - lambda)) : strong);
}

/** Wcls[k, y] of each image: rows of the table [K, classes] by label, [batch, K]. */
export function strengthByLabel(table: Tensor, labels: Tensor): Tensor {
  return gather(transpose(table, [1, 0]), labels);
}

/** sum_c p(c|x) Wcls[k, c] of each image: [batch, classes] and the table [K, classes] to [batch, K]. */
export function expectedStrength(table: Tensor, probabilities: Tensor): Tensor {
  return matMul(probabilities, table, false, true);
}

/** Entropy of the weights of each image, in nats: ln K where all weigh the same, 0 where one teacher has all. */
export function weightEntropy(weights: Tensor): Tensor {
  return negate(sum(multiply(weights, logarithm(weights)), [-1]));
}
