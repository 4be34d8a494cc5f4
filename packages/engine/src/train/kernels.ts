import { JobFailure, type Precision } from '@ferment/contracts';
import {
  autocast,
  conv2d,
  depthwiseConv2d,
  matMul,
  read,
  reshape,
  scope,
  sum,
  tensor,
  valueAndGradients,
} from '../tensor/index.js';

type LowPrecision = Exclude<Precision, 'float32'>;

/** A few values through convolutions and a product, and their gradients. */
function tryKernels(precision: LowPrecision): void {
  const values = (count: number) => Float32Array.from({ length: count }, (_, at) => (at % 7) / 8);
  scope(() => {
    const parameters = {
      filter: tensor(values(9 * 4 * 4), [3, 3, 4, 4], 'float32'),
      depthwise: tensor(values(9 * 4), [3, 3, 4, 1], 'float32'),
      matrix: tensor(values(4 * 4), [4, 4], 'float32'),
    };
    const x = tensor(values(2 * 4 * 4 * 4), [2, 4, 4, 4], 'float32');
    const window = { stride: 1, padding: 1 };
    const { gradients } = valueAndGradients(parameters, () =>
      autocast(precision, () => {
        const maps = depthwiseConv2d(conv2d(x, parameters.filter, window), parameters.depthwise, window);
        return { loss: sum(matMul(reshape(maps, [32, 4]), parameters.matrix)) };
      }),
    );
    Object.values(gradients).forEach(read);
  });
}

/**
 * Checks that this machine computes what a precision needs, before anything is captured.
 *
 * @param attempt computes a little in it, and throws where there is no kernel
 * @throws JobFailure of class `user` with what TensorFlow says and what to do
 */
export function requireKernels(
  precision: Precision,
  attempt: (precision: LowPrecision) => void = tryKernels,
): void {
  if (precision === 'float32') return;
  try {
    attempt(precision);
  } catch (error) {
    throw new JobFailure(
      'user',
      `train.precision: ${precision} cannot be computed on this machine: ` +
        `${error instanceof Error ? error.message : String(error)}; ` +
        'expected a graphics processor, or a processor for which TensorFlow has its kernels (docs/engine.md); ' +
        'train in float32 here',
    );
  }
}
