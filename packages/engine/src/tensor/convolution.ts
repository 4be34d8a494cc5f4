import { attribute, type Attributes, type Shape } from '../capture/graph-def.js';
import { executeOne } from './execute.js';
import { differentiableOp } from './tape.js';
import { describe, integers, type Tensor } from './tensor.js';

/** Stride and symmetric zero padding, the same in both directions, as PyTorch's square convolutions have them. */
export interface Window {
  readonly stride: number;
  readonly padding: number;
}

export function windowSize(size: number, kernel: number, { stride, padding }: Window): number {
  return Math.floor((size + 2 * padding - kernel) / stride) + 1;
}

/**
 * TensorFlow's SAME pads unevenly at stride 2 where PyTorch pads evenly, so the padding is spelled out. At stride 1
 * with (kernel - 1) / 2 both agree, and the shorter spelling reaches more fused kernels.
 */
export function paddingAttributes(kernel: number, { stride, padding }: Window): Attributes {
  if (padding === 0) return { padding: attribute.string('VALID') };
  if (stride === 1 && padding === (kernel - 1) / 2) return { padding: attribute.string('SAME') };
  return {
    padding: attribute.string('EXPLICIT'),
    explicit_paddings: attribute.ints([0, 0, padding, padding, padding, padding, 0, 0]),
  };
}

function convolutionAttributes(kernel: number, window: Window): Attributes {
  return {
    T: attribute.type('float32'),
    strides: attribute.ints([1, window.stride, window.stride, 1]),
    dilations: attribute.ints([1, 1, 1, 1]),
    data_format: attribute.string('NHWC'),
    ...paddingAttributes(kernel, window),
  };
}

/** Every `stride`-th pixel of both directions: what a 1x1 convolution at that stride looks at. */
function everyPixel(x: Tensor, stride: number): Tensor {
  const [batch, height, width, channels] = [x.size(0), x.size(1), x.size(2), x.size(3)];
  const attributes: Attributes = {
    T: attribute.type('float32'),
    Index: attribute.type('int32'),
    ...Object.fromEntries(
      ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'].map((mask) => [
        mask,
        attribute.int(0),
      ]),
    ),
  };
  const bounds = [[0, 0, 0, 0], x.shape, [1, stride, stride, 1]].map((values) => integers(values));
  const shape = [batch, Math.ceil(height / stride), Math.ceil(width / stride), channels];
  return executeOne('StridedSlice', attributes, [x, ...bounds], { shape, dtype: 'float32' });
}

/**
 * The gradient of a convolution's filter. With a 1x1 filter at a stride above 1, TensorFlow 2.21's oneDNN kernel writes
 * outside its memory (seen with 8 channels in, 16 out, 48 px: the process dies), so the pixels that count are picked
 * first and the kernel sees stride 1; the answer is the same.
 */
function filterGradient(
  name: string,
  attributes: Attributes,
  x: Tensor,
  filter: Tensor,
  gradient: Tensor,
  window: Window,
): Tensor {
  const pick = filter.size(0) === 1 && filter.size(1) === 1 && window.stride > 1 && window.padding === 0;
  const seen = pick ? everyPixel(x, window.stride) : x;
  const spelled = pick ? { ...attributes, strides: attribute.ints([1, 1, 1, 1]) } : attributes;
  return executeOne(name, spelled, [seen, integers(filter.shape), gradient], filter);
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
  const attributes = { ...convolutionAttributes(kernel, window), ...extra };
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
      needed[0] ? executeOne(names.input, attributes, [integers(x.shape), filter, gradient], x) : null,
      needed[1] ? filterGradient(names.filter, attributes, x, filter, gradient, window) : null,
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
