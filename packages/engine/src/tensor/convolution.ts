import { attribute, type Attributes, type Shape } from '../capture/graph-def.js';
import { filterGradient, inputGradient } from './convolution-gradients.js';
import { executeOne } from './execute.js';
import { differentiableOp } from './tape.js';
import { describe, type Tensor } from './tensor.js';
import { paddingAttributes, windowSize, type Window } from './window.js';

/** All but the padding. */
function convolutionAttributes(window: Window): Attributes {
  return {
    T: attribute.type('float32'),
    strides: attribute.ints([1, window.stride, window.stride, 1]),
    dilations: attribute.ints([1, 1, 1, 1]),
    data_format: attribute.string('NHWC'),
  };
}

function convolve(
  names: { forward: string; input: string; filter: string },
  extra: Attributes,
  x: Tensor,
  filter: Tensor,
  channels: number,
  window: Window,
): Tensor {
  const kernel = filter.size(0);
  const plain = { ...convolutionAttributes(window), ...extra };
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
    { shape, dtype: 'float32' },
    (gradient, _, needed) => [
      needed[0] ? inputGradient(names.input, convolution, gradient) : null,
      needed[1] ? filterGradient(names.filter, convolution, gradient) : null,
    ],
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
  return convolve(names, { use_cudnn_on_gpu: attribute.bool(true) }, x, filter, filter.size(3), window);
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
  return convolve(names, {}, x, filter, filter.size(2) * filter.size(3), window);
}

/** Largest value of each window; padding never wins. `x` is [batch, height, width, channels]. */
export function maxPool(x: Tensor, kernel: number, window: Window): Tensor {
  const attributes: Attributes = {
    T: attribute.type('float32'),
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
  return differentiableOp('MaxPool', attributes, [x], { shape, dtype: 'float32' }, (gradient, output) => [
    executeOne('MaxPoolGrad', attributes, [x, output, gradient], x),
  ]);
}
