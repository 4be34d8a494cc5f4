import { attribute, type Attributes, type DataType, type Shape } from '../capture/graph-def.js';
import { matMul, slice } from './arrays.js';
import { filterGradient, inputGradient } from './convolution-gradients.js';
import { lowered } from './cast.js';
import { number } from './element-type.js';
import { executeOne } from './execute.js';
import { reshape } from './reduction.js';
import { differentiableOp, differentiated } from './tape.js';
import { constant, describe, type Tensor } from './tensor.js';
import { paddingAttributes, touching, windowSize, type Window } from './window.js';

/** All but the padding. */
function convolutionAttributes(window: Window, dtype: DataType): Attributes {
  return {
    T: attribute.type(dtype),
    strides: attribute.ints([1, window.stride, window.stride, 1]),
    dilations: attribute.ints([1, 1, 1, 1]),
    data_format: attribute.string('NHWC'),
  };
}

function convolve(
  names: { forward: string; input: string; filter: string },
  extra: Attributes,
  taken: Tensor,
  weights: Tensor,
  channels: number,
  window: Window,
): Tensor {
  const [x, filter] = lowered(taken, weights);
  const kernel = filter.size(0);
  const plain = { ...convolutionAttributes(window, x.dtype), ...extra };
  const attributes = { ...plain, ...paddingAttributes(kernel, window) };
  const depthwise = names.forward.startsWith('Depthwise');
  const convolution = { attributes: plain, x, filter, window, depthwise };
  const shape: Shape = [
    x.size(0),
    windowSize(x.size(1), kernel, window),
    windowSize(x.size(2), filter.size(1), window),
    channels,
  ];
  return differentiableOp(
    names.forward,
    attributes,
    [x, filter],
    { shape, dtype: x.dtype },
    (gradient, _, needed) => [
      needed[0] ? inputGradient(names.input, convolution, gradient) : null,
      needed[1] ? filterGradient(names.filter, convolution, gradient) : null,
    ],
  );
}

/**
 * A convolution that is trained, with the part of its filter that ever lies on the picture: on a map of one pixel only the
 * middle of a 3x3 filter does, and oneDNN would read, sort and differentiate all of it (2048 channels to as many: 680 ms
 * for the filter's gradient). The rest has no gradient, and the answer is the same. Other passes keep the filter whole,
 * which is what exports show.
 */
function trained(x: Tensor, filter: Tensor, window: Window): { filter: Tensor; window: Window } {
  const whole = { filter, window };
  if (!differentiated([x, filter])) return whole;
  const [height, width] = [x.size(1), x.size(2)];
  const [rows, columns] = [filter.size(0), filter.size(1)];
  const down = touching(height, rows, window);
  const across = touching(width, columns, window);
  const part = { stride: window.stride, padding: window.padding - down.from };
  const [high, wide] = [down.to - down.from, across.to - across.from];
  const fits =
    down.from === across.from &&
    windowSize(height, high, part) === windowSize(height, rows, window) &&
    windowSize(width, wide, part) === windowSize(width, columns, window);
  if (!fits || high !== wide || high === rows) return whole;
  const begin = [down.from, across.from, 0, 0];
  return { filter: slice(filter, begin, [high, wide, filter.size(2), filter.size(3)]), window: part };
}

/** Whether a convolution is a product of matrices, one row a picture: three times as fast, as in squeeze-and-excitation. */
function onePixel(x: Tensor, { filter, window }: { filter: Tensor; window: Window }): boolean {
  return (
    x.size(1) === 1 && x.size(2) === 1 && filter.size(0) === 1 && filter.size(1) === 1 && window.padding === 0
  );
}

/**
 * Two-dimensional cross-correlation.
 *
 * @param x      [batch, height, width, channels in]
 * @param filter [kernel, kernel, channels in, channels out]
 */
export function conv2d(x: Tensor, filter: Tensor, window: Window): Tensor {
  if (x.size(3) !== filter.size(2))
    throw new RangeError(`a convolution with ${describe(filter)} cannot take ${describe(x)}`);
  const names = { forward: 'Conv2D', input: 'Conv2DBackpropInput', filter: 'Conv2DBackpropFilter' };
  const seen = trained(x, filter, window);
  if (differentiated([x, filter]) && onePixel(x, seen)) {
    const rows = reshape(x, [x.size(0), x.size(3)]);
    const product = matMul(rows, reshape(seen.filter, [x.size(3), filter.size(3)]));
    return reshape(product, [x.size(0), 1, 1, filter.size(3)]);
  }
  const extra = { use_cudnn_on_gpu: attribute.bool(true) };
  return convolve(names, extra, x, seen.filter, filter.size(3), seen.window);
}

/**
 * Each channel convolved with its own filter.
 *
 * @param x      [batch, height, width, channels]
 * @param filter [kernel, kernel, channels, 1]
 */
export function depthwiseConv2d(x: Tensor, filter: Tensor, window: Window): Tensor {
  if (x.size(3) !== filter.size(2))
    throw new RangeError(`a depthwise convolution with ${describe(filter)} cannot take ${describe(x)}`);
  const names = {
    forward: 'DepthwiseConv2dNative',
    input: 'DepthwiseConv2dNativeBackpropInput',
    filter: 'DepthwiseConv2dNativeBackpropFilter',
  };
  const seen = trained(x, filter, window);
  return convolve(names, {}, x, seen.filter, filter.size(2) * filter.size(3), seen.window);
}

/** The lowest number of its type around [batch, height, width, channels]: what never wins a window. */
function walled(x: Tensor, width: number): Tensor {
  const around = constant([0, 0, width, width, width, width, 0, 0], [4, 2], 'int32');
  const shape = [x.size(0), x.size(1) + 2 * width, x.size(2) + 2 * width, x.size(3)];
  const attributes = { T: attribute.type(x.dtype), Tpaddings: attribute.type('int32') };
  const lowest = number(-3.4028234663852886e38, x.dtype);
  return differentiableOp('PadV2', attributes, [x, around, lowest], { shape, dtype: x.dtype }, (gradient) => [
    slice(gradient, [0, width, width, 0], x.shape),
    null,
    null,
  ]);
}

/**
 * Largest value of each window; padding never wins. `x` is [batch, height, width, channels]. Where gradients are asked for
 * the picture itself is padded, because oneDNN's kernels take no EXPLICIT padding (64 pictures of 24 px, 64 channels: 24 ms
 * for the gradient).
 */
export function maxPool(x: Tensor, kernel: number, window: Window): Tensor {
  const { padding, stride } = window;
  if (padding > 0 && differentiated([x])) return maxPool(walled(x, padding), kernel, { stride, padding: 0 });
  const attributes: Attributes = {
    T: attribute.type(x.dtype),
    ksize: attribute.ints([1, kernel, kernel, 1]),
    strides: attribute.ints([1, window.stride, window.stride, 1]),
    data_format: attribute.string('NHWC'),
    ...paddingAttributes(kernel, window),
  };
  const shape = [
    x.size(0),
    windowSize(x.size(1), kernel, window),
    windowSize(x.size(2), kernel, window),
    x.size(3),
  ];
  return differentiableOp('MaxPool', attributes, [x], { shape, dtype: x.dtype }, (gradient, output) => [
    executeOne('MaxPoolGrad', attributes, [x, output, gradient], x),
  ]);
}
