import { attribute, elements, type Attributes } from '../capture/graph-def.js';
import { matMul, slice } from './arrays.js';
import { floats } from './element-type.js';
import { executeOne } from './execute.js';
import { reshape } from './reduction.js';
import { constant, integers, type Tensor } from './tensor.js';
import { explicitPadding, paddingAttributes, windowSize, type Window } from './window.js';

/** Every `stride`-th pixel of both directions: what a 1x1 convolution at that stride looks at. */
function everyPixel(x: Tensor, stride: number): Tensor {
  const [batch, height, width, channels] = [x.size(0), x.size(1), x.size(2), x.size(3)];
  const attributes: Attributes = {
    T: attribute.type(x.dtype),
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
  return executeOne('StridedSlice', attributes, [x, ...bounds], { shape, dtype: x.dtype });
}

/** Rows and columns of zeros around a picture. */
interface Border {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** Zeros put around [batch, height, width, channels]. */
function padded(x: Tensor, { top, bottom, left, right }: Border): Tensor {
  const [batch, height, width, channels] = [x.size(0), x.size(1), x.size(2), x.size(3)];
  const paddings = constant([0, 0, top, bottom, left, right, 0, 0], [4, 2], 'int32');
  const shape = [batch, height + top + bottom, width + left + right, channels];
  const attributes = { T: attribute.type(x.dtype), Tpaddings: attribute.type('int32') };
  return executeOne('Pad', attributes, [x, paddings], { shape, dtype: x.dtype });
}

/** Where the windows along one side reach beyond it; what no window looks at needs no zeros. */
function reach(
  size: number,
  kernel: number,
  window: Window,
): { before: number; after: number; same: boolean } {
  const { stride, padding } = window;
  const windows = windowSize(size, kernel, window);
  const covered = (windows - 1) * stride + kernel - padding;
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
  return {
    before: padding,
    after: Math.max(0, covered - size),
    same: windows === Math.ceil(size / stride) && Math.floor(total / 2) === padding,
  };
}

/**
 * How the gradients of a convolution spell its padding. TensorFlow's oneDNN kernels take no EXPLICIT padding there, and
 * its own are many times slower (256 to 512 channels on 3 x 3 pixels: 242 ms instead of 10). Where TensorFlow's SAME is this
 * padding, as at odd sizes, it is SAME; elsewhere the picture itself is padded, and the padding is VALID.
 */
function gradientPadding(
  x: Tensor,
  filter: Tensor,
  window: Window,
): { attributes: Attributes; border: Border | null } {
  const attributes = paddingAttributes(filter.size(0), window);
  if (!('explicit_paddings' in attributes)) return { attributes, border: null };
  const [rows, columns] = [
    reach(x.size(1), filter.size(0), window),
    reach(x.size(2), filter.size(1), window),
  ];
  if (rows.same && columns.same) return { attributes: { padding: attribute.string('SAME') }, border: null };
  return {
    attributes: { padding: attribute.string('VALID') },
    border: { top: rows.before, bottom: rows.after, left: columns.before, right: columns.after },
  };
}

/** The parts of a convolution that both its gradients need. */
export interface Convolution {
  readonly attributes: Attributes;
  readonly x: Tensor;
  readonly filter: Tensor;
  readonly window: Window;
  readonly depthwise: boolean;
}

/** [batch, height, width, channels] as a matrix, one row a pixel. */
function pixels(x: Tensor): Tensor {
  return reshape(x, [elements(x.shape.slice(0, -1)), x.size(3)]);
}

/**
 * Whether a convolution is a product of matrices, one row a pixel. Its gradients are then taken as products: 1.1 times as
 * fast as convolutions on large maps, three times on maps of one pixel (squeeze-and-excitation).
 */
function pointwise({ filter, window, depthwise }: Convolution): boolean {
  return !depthwise && filter.size(0) === 1 && filter.size(1) === 1 && window.padding === 0;
}

/** Whether a convolution takes pictures: attacks ask for their gradient, trainings do not. */
function ofPictures({ x, filter, window, depthwise }: Convolution): boolean {
  const same = filter.size(0) === filter.size(1) && 2 * window.padding === filter.size(0) - 1;
  return !depthwise && window.stride === 1 && same && x.size(3) <= 3;
}

/**
 * The gradient of pictures that a convolution of stride 1 takes. oneDNN's kernels compute as many channels as fill a
 * register and throw away all but these few (64 pictures of 48 px, 1 to 32 channels: 18 ms). A product of matrices makes
 * what each pixel of the gradient gives to each place under the filter, and a convolution with ones puts it there (6 ms).
 */
function pictureGradient({ attributes, x, filter, window }: Convolution, gradient: Tensor): Tensor {
  const [size, channels] = [filter.size(0), x.size(3)];
  const places = size * size * channels;
  const matrix = reshape(filter, [places, filter.size(3)]);
  const given = matMul(pixels(gradient), matrix, false, true);
  // The place (row, column) under the filter lies where the filter upside down has it.
  const ones = Array.from({ length: size * size * places * channels }, (_, at) => {
    const [tap, place, channel] = [
      Math.floor(at / (places * channels)),
      Math.floor(at / channels) % places,
      at % channels,
    ];
    return place === (size * size - 1 - tap) * channels + channel ? 1 : 0;
  });
  const spread = floats(ones, [size, size, places, channels], x.dtype);
  const spelled = { ...attributes, ...paddingAttributes(size, window) };
  return executeOne('Conv2D', spelled, [reshape(given, [...x.shape.slice(0, -1), places]), spread], x);
}

/** The gradient of what a convolution takes. */
export function inputGradient(name: string, convolution: Convolution, gradient: Tensor): Tensor {
  const { attributes, x, filter, window } = convolution;
  if (pointwise(convolution) && window.stride === 1) {
    const matrix = reshape(filter, filter.shape.slice(2));
    return reshape(matMul(pixels(gradient), matrix, false, true), x.shape);
  }
  if (ofPictures(convolution)) return pictureGradient(convolution, gradient);
  const { attributes: padding, border } = gradientPadding(x, filter, window);
  const spelled = { ...attributes, ...padding };
  if (!border) return executeOne(name, spelled, [integers(x.shape), filter, gradient], x);
  const { top, bottom, left, right } = border;
  const shape = [x.size(0), x.size(1) + top + bottom, x.size(2) + left + right, x.size(3)];
  const whole = executeOne(name, spelled, [integers(shape), filter, gradient], { shape, dtype: x.dtype });
  return slice(whole, [0, top, left, 0], x.shape);
}

/**
 * The gradient of a convolution's filter. For a 1x1 filter at a stride above 1 the pixels that count are picked first.
 * (TensorFlow 2.21's oneDNN kernel writes outside its memory there, seen with 8 channels in, 16 out, 48 px: the process
 * dies.)
 *
 * A depthwise filter of 5x5 or more, or one on a map of two pixels, goes to TensorFlow's own kernel, which EXPLICIT
 * padding asks for: oneDNN's is many times slower there (7x7, 384 channels, 4 x 4 pixels: 10 ms instead of 2).
 */
export function filterGradient(name: string, convolution: Convolution, gradient: Tensor): Tensor {
  const { attributes, x, filter, window, depthwise } = convolution;
  if (pointwise(convolution)) {
    const seen = window.stride > 1 ? everyPixel(x, window.stride) : x;
    return reshape(matMul(pixels(seen), pixels(gradient), true, false), filter.shape);
  }
  if (depthwise && (filter.size(0) > 3 || x.size(1) < 3)) {
    const spelled = { ...attributes, ...explicitPadding(window) };
    return executeOne(name, spelled, [x, integers(filter.shape), gradient], filter);
  }
  const { attributes: padding, border } = gradientPadding(x, filter, window);
  const seen = border ? padded(x, border) : x;
  return executeOne(name, { ...attributes, ...padding }, [seen, integers(filter.shape), gradient], filter);
}
