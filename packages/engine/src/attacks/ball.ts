import {
  absolute,
  add,
  clip,
  largest,
  multiply,
  sign,
  smallest,
  subtract,
  type Tensor,
} from '../tensor/index.js';

/**
 * The nearest picture in the Linf ball of `epsilon` around `picture` and in [0, 1].
 *
 * @param moved   float32, any picture
 * @param picture x in [0, 1], of the same shape
 * @param epsilon scalar, in units of the pixel range
 */
export function project(moved: Tensor, picture: Tensor, epsilon: Tensor): Tensor {
  return clip(clip(moved, subtract(picture, epsilon), add(picture, epsilon)), 0, 1);
}

/** One step of `stepSize` along the gradient's sign, projected. sign(0) is 0, as in PyTorch. */
export function ascend(
  attacked: Tensor,
  gradient: Tensor,
  { picture, epsilon, stepSize }: { picture: Tensor; epsilon: Tensor; stepSize: Tensor },
): Tensor {
  return project(add(attacked, multiply(sign(gradient), stepSize)), picture, epsilon);
}

/** How far the pictures of a batch were moved at most, and what they span: for `verifyInside`. */
export function extent(attacked: Tensor, picture: Tensor): Record<'distance' | 'lowest' | 'highest', Tensor> {
  return {
    distance: largest(absolute(subtract(attacked, picture))),
    lowest: smallest(attacked),
    highest: largest(attacked),
  };
}

/** Room for the rounding of float32 pictures in [0, 1]. */
export const ballTolerance = 1e-6;

/**
 * Every picture of a batch within epsilon of its original and in [0, 1].
 *
 * @param found the outputs of `extent`
 * @throws Error otherwise: an attack outside its ball proves nothing
 */
export function verifyInside(
  found: Readonly<Record<string, ArrayLike<number>>>,
  epsilon: number,
  what: string,
): void {
  const figure = (name: string) => found[name]?.[0] ?? Number.NaN;
  const [distance, lowest, highest] = [figure('distance'), figure('lowest'), figure('highest')];
  if (distance <= epsilon + ballTolerance && lowest >= 0 && highest <= 1) return;
  throw new Error(
    `${what}: the attacked pictures are up to ${distance} away and span ${lowest} to ${highest}; ` +
      `expected at most ${epsilon} and 0 to 1`,
  );
}
