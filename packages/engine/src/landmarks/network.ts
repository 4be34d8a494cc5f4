import { attribute } from '../capture/graph-def.js';
import {
  add,
  biasAdd,
  cast,
  concatenate,
  constant,
  divide,
  executeOne,
  integers,
  matMul,
  mean,
  relu,
  subtract,
  type Tensor,
} from '../tensor/index.js';

/** Side of the pictures that the network sees. */
export const networkSize = 112;

/** Of the red, green and blue of its training pictures; a grey picture is all three. */
const meanColour = [122.782, 117.001, 104.298];

/**
 * The 68-point network of @vladmandic/face-api (FaceLandmark68Net): four blocks of separable convolutions, each block's
 * outputs added up, the mean over the picture, one dense layer.
 *
 * @param pictures uint8 [batch, size, size, 1]
 * @param weight   a weight by its name in the package's manifest
 * @returns [batch, 136]: x and y of each landmark in parts of the picture's side
 */
export function landmarkNetwork(pictures: Tensor, weight: (name: string) => Tensor): Tensor {
  const grey = resized(cast(pictures, 'float32'));
  const colour = subtract(concatenate([grey, grey, grey], 3), constant(meanColour, [1, 1, 1, 3], 'float32'));
  let x = divide(colour, 255);
  for (let block = 0; block < 4; block++) x = denseBlock(x, `dense${block}`, block === 0, weight);
  return biasAdd(matMul(mean(x, [1, 2]), weight('fc/weights')), weight('fc/bias'));
}

function denseBlock(x: Tensor, block: string, first: boolean, weight: (name: string) => Tensor): Tensor {
  const bias = (layer: string) => weight(`${block}/${layer}/bias`);
  const separable = (input: Tensor, layer: string, stride: number): Tensor => {
    const deep = convolution(
      'DepthwiseConv2dNative',
      input,
      weight(`${block}/${layer}/depthwise_filter`),
      stride,
    );
    return biasAdd(convolution('Conv2D', deep, weight(`${block}/${layer}/pointwise_filter`), 1), bias(layer));
  };
  const start = first
    ? biasAdd(convolution('Conv2D', x, weight(`${block}/conv0/filters`), 2), bias('conv0'))
    : separable(x, 'conv0', 2);
  const out1 = relu(start);
  const out2 = separable(out1, 'conv1', 1);
  const out3 = separable(relu(add(out1, out2)), 'conv2', 1);
  const out4 = separable(relu(add(out1, add(out2, out3))), 'conv3', 1);
  return relu(add(out1, add(out2, add(out3, out4))));
}

/**
 * TensorFlow's SAME padding, which at stride 2 pads unevenly: the layers of `tensor/convolution` pad evenly, as PyTorch
 * does, and this network was trained with the other.
 */
function convolution(
  op: 'Conv2D' | 'DepthwiseConv2dNative',
  x: Tensor,
  filter: Tensor,
  stride: number,
): Tensor {
  const attributes = {
    T: attribute.type('float32'),
    strides: attribute.ints([1, stride, stride, 1]),
    dilations: attribute.ints([1, 1, 1, 1]),
    data_format: attribute.string('NHWC'),
    padding: attribute.string('SAME'),
    ...(op === 'Conv2D' && { use_cudnn_on_gpu: attribute.bool(true) }),
  };
  const channels = op === 'Conv2D' ? filter.size(3) : filter.size(2) * filter.size(3);
  const shape = [x.size(0), Math.ceil(x.size(1) / stride), Math.ceil(x.size(2) / stride), channels];
  return executeOne(op, attributes, [x, filter], { shape, dtype: 'float32' });
}

function resized(x: Tensor): Tensor {
  if (x.size(1) === networkSize && x.size(2) === networkSize) return x;
  const attributes = {
    T: attribute.type('float32'),
    align_corners: attribute.bool(false),
    half_pixel_centers: attribute.bool(true),
  };
  const shape = [x.size(0), networkSize, networkSize, x.size(3)];
  return executeOne('ResizeBilinear', attributes, [x, integers([networkSize, networkSize])], {
    shape,
    dtype: 'float32',
  });
}
