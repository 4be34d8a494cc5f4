import { absolute, cast, constant, less, multiply, subtract, type Tensor } from '../tensor/index.js';

function places(count: number, shape: readonly number[]): Tensor {
  return constant(
    Array.from({ length: count }, (_, at) => at + 0.5),
    shape,
    'float32',
  );
}

/**
 * One box for every image, cut off at the border: 1 inside, 0 outside, float32 [batch, height, width, 1].
 *
 * @param centreX in pixels, [batch, 1, 1, 1], as is `centreY`
 * @param half    half of its side in pixels: a number, or [batch, 1, 1, 1]
 */
export function boxes(
  images: Tensor,
  { centreX, centreY, half }: { centreX: Tensor; centreY: Tensor; half: Tensor | number },
): Tensor {
  const [height, width] = [images.size(1), images.size(2)];
  const near = (at: Tensor, centre: Tensor) => cast(less(absolute(subtract(at, centre)), half), 'float32');
  return multiply(
    near(places(height, [1, height, 1, 1]), centreY),
    near(places(width, [1, 1, width, 1]), centreX),
  );
}
