import { JobFailure, type Precision } from '@ferment/contracts';
import {
  autocast,
  cast,
  conv2d,
  depthwiseConv2d,
  matMul,
  read,
  reshape,
  scope,
  sum,
  tensor,
} from '../tensor/index.js';
import { valueAndGradients } from '../tensor/index.js';

/**
 * Checks that this machine computes what a precision needs, before anything is captured: convolutions and products with
 * their gradients, a few values each.
 *
 * @throws JobFailure of class `user` with what TensorFlow says and what to do
 */
export function requireKernels(precision: Precision): void {
  if (precision === 'float32') return;
  const values = (count: number) => Float32Array.from({ length: count }, (_, at) => (at % 7) / 8);
  try {
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
          return { loss: sum(cast(matMul(reshape(maps, [32, 4]), parameters.matrix), 'float32')) };
        }),
      );
      Object.values(gradients).forEach(read);
    });
  } catch (error) {
    throw new JobFailure(
      'user',
      `train.precision: ${precision} cannot be computed on this machine: ` +
        `${error instanceof Error ? error.message : String(error)}; ` +
        'expected a graphics processor, or a processor whose TensorFlow has these kernels (docs/engine.md); ' +
        'train in float32 here',
    );
  }
}
