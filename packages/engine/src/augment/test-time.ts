import type { TestTime } from '@ferment/contracts';
import { add, constant, multiply, projectiveTransform, reverse, type Tensor } from '../tensor/index.js';

/** Part of the side that a crop keeps. */
const cropped = 11 / 12;

/** A crop of every picture, brought back to the whole size: bilinear, the crop's corner pixels at the corners. */
function crop(images: Tensor, [left, top]: readonly [number, number]): Tensor {
  const along = (length: number, share: number) => {
    const side = Math.round(length * cropped);
    return { scale: (side - 1) / (length - 1), from: (length - side) * share };
  };
  const [x, y] = [along(images.size(2), left), along(images.size(1), top)];
  const transform = constant([x.scale, 0, x.from, 0, y.scale, y.from, 0, 0], [1, 8], 'float32');
  return projectiveTransform(images, transform);
}

const places = [
  [0.5, 0.5],
  [0, 0],
  [1, 0],
  [0, 1],
  [1, 1],
] as const;

function views(images: Tensor, testTime: TestTime): Tensor[] {
  if (testTime === 'none') return [images];
  const upright = testTime === 'flip' ? [images] : places.map((place) => crop(images, place));
  return upright.flatMap((view) => [view, reverse(view, 2)]);
}

/**
 * The mean of a network's logits over views of its pictures (see testTimeViews in the contracts).
 *
 * @param images float32 [batch, height, width, channels]
 */
export function meanOverViews(
  testTime: TestTime,
  images: Tensor,
  logits: (images: Tensor) => Tensor,
): Tensor {
  const all = views(images, testTime).map(logits);
  const total = all.reduce((sum, one) => add(sum, one));
  return all.length === 1 ? total : multiply(total, 1 / all.length);
}
