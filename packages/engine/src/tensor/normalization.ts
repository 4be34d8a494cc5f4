import { attribute, type Attributes } from '../capture/graph-def.js';
import { add, multiply, rsqrt, subtract } from './elementwise.js';
import { execute } from './execute.js';
import { sum } from './reduction.js';
import { differentiable } from './tape.js';
import type { Tensor } from './tensor.js';

function attributes({ dtype }: Tensor, epsilon: number, training: boolean): Attributes {
  return {
    T: attribute.type(dtype),
    U: attribute.type('float32'),
    epsilon: attribute.float(epsilon),
    exponential_avg_factor: attribute.float(1),
    data_format: attribute.string('NHWC'),
    is_training: attribute.bool(training),
  };
}

function fusedBatchNorm(x: Tensor, inputs: readonly Tensor[], epsilon: number, training: boolean): Tensor[] {
  const vector = { shape: [x.size(3)], dtype: 'float32' as const };
  const reserve = { shape: [0], dtype: 'float32', internal: true } as const;
  const outputs = [
    x,
    vector,
    vector,
    { ...vector, internal: true } as const,
    { ...vector, internal: true } as const,
    reserve,
  ];
  return execute('FusedBatchNormV3', attributes(x, epsilon, training), [x, ...inputs], outputs);
}

export interface BatchStatistics {
  readonly output: Tensor;
  /** Mean and unbiased variance of this batch, [channels]; no gradient flows through them. */
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/**
 * Batch normalisation with the batch's own statistics (Ioffe & Szegedy, 2015). Values of 16 bits are normalised in float32
 * and rounded again; statistics, scale and offset are float32.
 *
 * @param x [batch, height, width, channels]; scale and offset are [channels]
 */
export function batchNormTraining(
  x: Tensor,
  scale: Tensor,
  offset: Tensor,
  empty: Tensor,
  epsilon: number,
): BatchStatistics {
  const [output, mean, variance, reserve1, reserve2, reserve3] = fusedBatchNorm(
    x,
    [scale, offset, empty, empty],
    epsilon,
    true,
  );
  if (!output || !mean || !variance || !reserve1 || !reserve2 || !reserve3)
    throw new Error('unreachable: batch normalisation has six outputs');
  differentiable('FusedBatchNormV3', [x, scale, offset], [output], ([gradient]) => {
    if (!gradient) return [null, null, null];
    const { exponential_avg_factor: _, ...rest } = attributes(x, epsilon, true);
    const unused = { shape: [0], dtype: 'float32', internal: true } as const;
    const outputs = [x, scale, offset, unused, unused];
    const inputs = [gradient, x, scale, reserve1, reserve2, reserve3];
    return execute('FusedBatchNormGradV3', rest, inputs, outputs).slice(0, 3);
  });
  return { output, mean, variance };
}

/**
 * Batch normalisation with running statistics, which are constants of the gradient.
 *
 * @param x [batch, height, width, channels]; the others are [channels]
 */
export function batchNormInference(
  x: Tensor,
  scale: Tensor,
  offset: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon: number,
): Tensor {
  const [output] = fusedBatchNorm(x, [scale, offset, mean, variance], epsilon, false);
  if (!output) throw new Error('unreachable: batch normalisation has an output');
  differentiable('FusedBatchNormV3', [x, scale, offset], [output], ([gradient], needed) => {
    if (!gradient) return [null, null, null];
    const inverse = rsqrt(add(variance, epsilon));
    const overPixels = [0, 1, 2];
    return [
      needed[0] ? multiply(gradient, multiply(scale, inverse)) : null,
      needed[1] ? multiply(sum(multiply(gradient, subtract(x, mean)), overPixels), inverse) : null,
      needed[2] ? sum(gradient, overPixels) : null,
    ];
  });
  return output;
}
