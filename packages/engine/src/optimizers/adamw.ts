import { add, divide, multiply, sqrt, square, subtract } from '../tensor/index.js';
import { slot, type Optimizer } from './optimizer.js';

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter, ICLR 2019, algorithm 2), exactly as torch.optim.AdamW: the
 * decay w = w (1 - lr weightDecay) comes first, then w = w - lr mhat / (sqrt(vhat) + epsilon) with bias-corrected
 * moments, epsilon outside of the correction.
 */
export function adamw(options: {
  betas: readonly [number, number];
  epsilon: number;
  weightDecay: number;
}): Optimizer {
  const { betas, epsilon, weightDecay } = options;
  const [beta1, beta2] = betas;
  return {
    slots: ['exp_avg', 'exp_avg_sq'],
    betas,
    update(parameter, gradient, slots, { learningRate, corrections }) {
      const decay = subtract(1, multiply(learningRate, weightDecay));
      const decayed = weightDecay > 0 ? multiply(parameter, decay) : parameter;
      const first = add(multiply(slot(slots, 'exp_avg'), beta1), multiply(gradient, 1 - beta1));
      const second = add(multiply(slot(slots, 'exp_avg_sq'), beta2), multiply(square(gradient), 1 - beta2));
      const denominator = add(divide(sqrt(second), sqrt(corrections[1])), epsilon);
      const step = multiply(divide(first, denominator), divide(learningRate, corrections[0]));
      return { parameter: subtract(decayed, step), slots: { exp_avg: first, exp_avg_sq: second } };
    },
  };
}
