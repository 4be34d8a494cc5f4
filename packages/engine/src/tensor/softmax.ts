import { attribute } from '../capture/graph-def.js';
import { raised } from './cast.js';
import { exp, multiply, subtract } from './elementwise.js';
import { execute } from './execute.js';
import { reshape, sum } from './reduction.js';
import { differentiable, differentiableOp } from './tape.js';
import type { Tensor } from './tensor.js';

const type = { T: attribute.type('float32') };

/** Softmax over the last axis, in float32. */
export function softmax(given: Tensor): Tensor {
  const logits = raised(given);
  return differentiableOp('Softmax', type, [logits], logits, (gradient, output) => {
    const product = multiply(gradient, output);
    return [subtract(product, multiply(output, sum(product, [-1], true)))];
  });
}

/** Logarithm of the softmax over the last axis of [batch, classes], in float32. */
export function logSoftmax(given: Tensor): Tensor {
  const logits = raised(given);
  return differentiableOp('LogSoftmax', type, [logits], logits, (gradient, output) => [
    subtract(gradient, multiply(exp(output), sum(gradient, [-1], true))),
  ]);
}

/**
 * Cross entropy of each row, in nats and in float32: -sum_c targets log softmax(logits).
 *
 * @param given   logits, [batch, classes]
 * @param targets [batch, classes], rows sum to 1; no gradient flows into them
 * @returns [batch]
 */
export function softmaxCrossEntropy(given: Tensor, targets: Tensor): Tensor {
  const logits = raised(given);
  const rows = { shape: [logits.size(0)], dtype: 'float32' as const };
  const [loss, derivative] = execute(
    'SoftmaxCrossEntropyWithLogits',
    type,
    [logits, targets],
    [rows, logits],
  );
  if (!loss || !derivative) throw new Error('unreachable: the op has two outputs');
  differentiable('SoftmaxCrossEntropyWithLogits', [logits], [loss], ([gradient]) => [
    gradient ? multiply(derivative, reshape(gradient, [logits.size(0), 1])) : null,
  ]);
  return loss;
}
