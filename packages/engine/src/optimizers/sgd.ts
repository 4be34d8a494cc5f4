import { add, multiply, subtract } from '../tensor/index.js';
import { slot, type Optimizer } from './optimizer.js';

/**
 * Stochastic gradient descent with momentum, exactly as torch.optim.SGD: d = g + weightDecay w, v = momentum v + d,
 * w = w - lr (nesterov ? d + momentum v : v). The rate multiplies the velocity and is not part of it, so a change of
 * rate takes effect at once. Without momentum there is no slot and Nesterov has no meaning.
 */
export function sgd(options: { momentum: number; nesterov: boolean; weightDecay: number }): Optimizer {
  const { momentum, nesterov, weightDecay } = options;
  return {
    slots: momentum > 0 ? ['momentum_buffer'] : [],
    betas: null,
    update(parameter, gradient, slots, { learningRate }) {
      const decayed = weightDecay > 0 ? add(gradient, multiply(parameter, weightDecay)) : gradient;
      if (momentum === 0)
        return { parameter: subtract(parameter, multiply(decayed, learningRate)), slots: {} };
      const velocity = add(multiply(slot(slots, 'momentum_buffer'), momentum), decayed);
      const direction = nesterov ? add(decayed, multiply(velocity, momentum)) : velocity;
      return {
        parameter: subtract(parameter, multiply(direction, learningRate)),
        slots: { momentum_buffer: velocity },
      };
    },
  };
}
