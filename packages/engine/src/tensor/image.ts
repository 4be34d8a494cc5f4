import { attribute } from '../capture/graph-def.js';
import { executeOne } from './execute.js';
import { integers, scalar, type Tensor } from './tensor.js';

/**
 * A projective transform of each image, bilinear, reflected at the border (dcba|abcd|dcba); no gradient.
 *
 * @param images     float32 [batch, height, width, channels]
 * @param transforms [batch, 8]: output (x, y) takes its value from ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k),
 *                   k = c0 x + c1 y + 1, pixel centres at whole numbers
 */
export function projectiveTransform(images: Tensor, transforms: Tensor): Tensor {
  const attributes = {
    dtype: attribute.type('float32'),
    interpolation: attribute.string('BILINEAR'),
    fill_mode: attribute.string('REFLECT'),
  };
  const size = integers([images.size(1), images.size(2)]);
  return executeOne('ImageProjectiveTransformV3', attributes, [images, transforms, size, scalar(0)], images);
}
