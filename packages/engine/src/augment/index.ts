import type { AugmentDetail } from '@ferment/contracts';
import {
  add,
  cast,
  concatenate,
  constant,
  cos,
  divide,
  less,
  multiply,
  negate,
  projectiveTransform,
  sin,
  slice,
  subtract,
  uniform,
  type Tensor,
} from '../tensor/index.js';

/**
 * Flip, rotation, scale and shift as one affine transform per image, drawn from the key and applied once: bilinear,
 * reflected at the border.
 *
 * @param images  float32 [batch, height, width, channels]
 * @param key     int32[2]; the same key gives the same transforms
 * @param options flip: probability of a horizontal flip; rotation: degrees, uniform in ±rotation; scale: uniform
 *                magnification in [low, high]; shift: pixels, uniform in ±shift in each direction
 */
export function augment(images: Tensor, key: Tensor, options: AugmentDetail): Tensor {
  const { flip, rotation, scale, shift } = options;
  if (flip === 0 && rotation === 0 && shift === 0 && scale[0] === 1 && scale[1] === 1) return images;
  return projectiveTransform(images, transforms(images, key, options));
}

/** [batch, 8]: for each output pixel, where in the input it comes from. */
function transforms(images: Tensor, key: Tensor, { flip, rotation, scale, shift }: AugmentDetail): Tensor {
  const batch = images.size(0);
  const draws = uniform(key, [batch, 5]);
  const column = (index: number) => slice(draws, [0, index], [batch, 1]);
  const within = (index: number, bound: number) => multiply(subtract(column(index), 0.5), 2 * bound);

  const mirror = subtract(1, multiply(cast(less(column(0), flip), 'float32'), 2));
  const angle = within(1, (rotation * Math.PI) / 180);
  const magnification = add(multiply(column(2), scale[1] - scale[0]), scale[0]);
  const cosine = divide(cos(angle), magnification);
  const sine = divide(sin(angle), magnification);

  // Around the centre: input = centre + mirror · rotate(-angle) · (output - centre - shift) / magnification.
  const [a0, a1, b0, b1] = [multiply(mirror, cosine), multiply(mirror, sine), negate(sine), cosine];
  const centreX = (images.size(2) - 1) / 2;
  const centreY = (images.size(1) - 1) / 2;
  const fromX = add(within(3, shift), centreX);
  const fromY = add(within(4, shift), centreY);
  // TensorFlow's graph optimizer would move a centre into a sum of products; one subtraction after another is left alone.
  const a2 = subtract(subtract(centreX, multiply(a0, fromX)), multiply(a1, fromY));
  const b2 = subtract(subtract(centreY, multiply(b0, fromX)), multiply(b1, fromY));
  const perspective = multiply(constant([0, 0], [1, 2], 'float32'), a0);
  return concatenate([a0, a1, a2, b0, b1, b2, perspective], 1);
}
