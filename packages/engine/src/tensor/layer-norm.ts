import { biasAdd } from './arrays.js';
import { raised } from './cast.js';
import { add, multiply, rsqrt, square, subtract } from './elementwise.js';
import { mean, sum } from './reduction.js';
import { differentiable, stopGradient } from './tape.js';
import type { Tensor } from './tensor.js';

/**
 * Layer normalisation over the last axis (Ba et al., 2016), with the biased variance, as PyTorch has it.
 *
 * TensorFlow has no kernel for it; the gradient is written out, because the tape's own would pass over the rows about
 * three times as often. The offset is a BiasAdd because the graph optimizer regroups chains of additions, and captured and
 * eager execution would round differently.
 *
 * @param x [rows, channels]; scale and offset are [channels]
 */
export function layerNorm(x: Tensor, scale: Tensor, offset: Tensor, epsilon: number): Tensor {
  const value = raised(stopGradient(x));
  const centred = subtract(value, mean(value, [-1], true));
  const inverse = rsqrt(add(mean(square(centred), [-1], true), epsilon));
  const normal = multiply(centred, inverse);
  const output = biasAdd(multiply(normal, stopGradient(scale)), stopGradient(offset));
  differentiable('LayerNorm', [x, scale, offset], [output], ([gradient], needed) => {
    if (!gradient) return [null, null, null];
    const scaled = multiply(gradient, scale);
    const along = mean(multiply(scaled, normal), [-1], true);
    const spread = subtract(subtract(scaled, mean(scaled, [-1], true)), multiply(normal, along));
    return [
      needed[0] ? multiply(spread, inverse) : null,
      needed[1] ? sum(multiply(gradient, normal), [0]) : null,
      needed[2] ? sum(gradient, [0]) : null,
    ];
  });
  return output;
}
