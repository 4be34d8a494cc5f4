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
import type { RandomAmounts } from './rand-augment.js';

/**
 * Flip, rotation, scale and shift as one affine transform per image, drawn from the key and applied once: bilinear,
 * reflected at the border.
 *
 * @param images  float32 [batch, height, width, channels]
 * @param key     int32[2]; the same key gives the same transforms
 * @param options flip: probability of a horizontal flip; rotation: degrees, uniform in ±rotation; scale: uniform
 *                magnification in [low, high]; shift: pixels, uniform in ±shift in each direction
 * @param more    RandAugment's rotation, shear and translation, on top; null where there is none
 */
export function affine(
  images: Tensor,
  key: Tensor,
  options: AugmentDetail,
  more: RandomAmounts | null,
): Tensor {
  const { flip, rotation, scale, shift } = options;
  if (!more && flip === 0 && rotation === 0 && shift === 0 && scale[0] === 1 && scale[1] === 1) return images;
  return projectiveTransform(images, transforms(images, key, options, more));
}

/** [batch, 8]: for each output pixel, where in the input it comes from. */
function transforms(
  images: Tensor,
  key: Tensor,
  { flip, rotation, scale, shift }: AugmentDetail,
  more: RandomAmounts | null,
): Tensor {
  const batch = images.size(0);
  const draws = uniform(key, [batch, 5]);
  const column = (index: number) => slice(draws, [0, index], [batch, 1]);
  const within = (index: number, bound: number) => multiply(subtract(column(index), 0.5), 2 * bound);
  const onTop = (own: Tensor, amount: Tensor | null | undefined) => (amount ? add(own, amount) : own);

  const mirror = subtract(1, multiply(cast(less(column(0), flip), 'float32'), 2));
  const angle = onTop(within(1, (rotation * Math.PI) / 180), more?.rotate);
  const magnification = add(multiply(column(2), scale[1] - scale[0]), scale[0]);
  const cosine = divide(cos(angle), magnification);
  const sine = divide(sin(angle), magnification);

  // Around the centre: input = centre + mirror · rotate(-angle) · shear · (output - centre - shift) / magnification.
  const [x0, x1, y0, y1] = [multiply(mirror, cosine), multiply(mirror, sine), negate(sine), cosine];
  const [a0, a1] = more ? [add(x0, multiply(x1, more.shearY)), add(multiply(x0, more.shearX), x1)] : [x0, x1];
  const [b0, b1] = more ? [add(y0, multiply(y1, more.shearY)), add(multiply(y0, more.shearX), y1)] : [y0, y1];
  const centreX = (images.size(2) - 1) / 2;
  const centreY = (images.size(1) - 1) / 2;
  // The constant last: TensorFlow's graph optimizer would move it there, and captured execution would round otherwise.
  const fromX = add(onTop(within(3, shift), more && multiply(more.translateX, images.size(2))), centreX);
  const fromY = add(onTop(within(4, shift), more && multiply(more.translateY, images.size(1))), centreY);
  // TensorFlow's graph optimizer would move a centre into a sum of products; one subtraction after another is left alone.
  const a2 = subtract(subtract(centreX, multiply(a0, fromX)), multiply(a1, fromY));
  const b2 = subtract(subtract(centreY, multiply(b0, fromX)), multiply(b1, fromY));
  const perspective = multiply(constant([0, 0], [1, 2], 'float32'), x0);
  return concatenate([a0, a1, a2, b0, b1, b2, perspective], 1);
}
