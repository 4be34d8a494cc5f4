import {
  add,
  divide,
  exp,
  logSoftmax,
  multiply,
  negate,
  subtract,
  sum,
  type Tensor,
} from '../../tensor/index.js';
import { columns, shares } from './columns.js';

/** In nats; keeps K teachers without any doubt at equal weights instead of 0 / 0. */
const smallestEntropy = 1e-12;

/** Entropy of softmax(logits) of each row, in nats: [batch, classes] to [batch]. */
export function entropy(logits: Tensor): Tensor {
  const logProbabilities = logSoftmax(logits);
  return negate(sum(multiply(exp(logProbabilities), logProbabilities), [-1]));
}

/**
 * Entropy-based weights of K teachers (EBKD: Kwon et al., ICASSP 2020): w_k proportional to 1 - H_k / sum_j H_j, with
 * H_k the entropy of softmax(z_k), so that the surer teacher weighs more; one teacher weighs 1. No label is used.
 *
 * @param logits of K teachers, each [batch, classes]
 * @returns [batch, K], rows sum to 1
 */
export function entropyWeights(logits: readonly Tensor[]): Tensor {
  const entropies = add(columns(logits.map(entropy)), smallestEntropy);
  if (logits.length === 1) return shares(entropies);
  const parts = divide(entropies, sum(entropies, [-1], true));
  return multiply(subtract(1, parts), 1 / (logits.length - 1));
}
