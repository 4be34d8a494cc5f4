import type { HeadSpec } from '@ferment/contracts';
import { add, matMul, multiply, rsqrt, square, sum, type Tensor } from '../tensor/index.js';
import { linear, linearWeight, type LinearOptions } from './layers.js';
import type { Layer, Scope } from './module.js';

/** Keeps the length of a feature that is all zeros from dividing by zero. */
const leastSquaredLength = 1e-12;

/** x / |x| along one axis. */
function unit(x: Tensor, axis: number): Tensor {
  return multiply(x, rsqrt(add(sum(square(x), [axis], true), leastSquaredLength)));
}

/**
 * A network's last layer: [batch, inputs] -> logits [batch, outputs].
 *
 * Without `head`, a linear layer (`weight`, `bias`). ArcFace's (Deng et al., CVPR 2019): a linear layer to the embedding
 * (`embedding.weight`, `embedding.bias`), then `scale` times the cosines between it and the columns of `weight`; the
 * margin is part of the training loss (tasks/margin.ts), so that inference needs no label.
 */
export function classifier(scope: Scope, options: LinearOptions, head: HeadSpec | undefined): Layer {
  if (!head) return linear(scope, options);
  const embed = linear(scope.at('embedding'), { ...options, outputs: head.embedding });
  const weight = linearWeight(scope, { inputs: head.embedding, outputs: options.outputs });
  return (x, pass) => {
    const cosines = matMul(unit(embed(x, pass), 1), unit(pass.value(weight), 0));
    return multiply(cosines, head.scale);
  };
}
