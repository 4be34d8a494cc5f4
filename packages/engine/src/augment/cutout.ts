import { add, foldIn, multiply, subtract, uniform, type Tensor } from '../tensor/index.js';
import { boxes } from './boxes.js';

/**
 * Cutout (DeVries & Taylor, 2017): a square of each image is filled with `fill`; its centre is uniform over the picture,
 * so that part of it may lie outside.
 *
 * @param side in pixels; 0 leaves the pictures alone
 * @param fill the pixel value that normalises to zero
 */
export function cutout(images: Tensor, key: Tensor, side: number, fill: number): Tensor {
  if (side === 0) return images;
  const shape = [images.size(0), 1, 1, 1];
  const centre = (use: number, length: number) => multiply(uniform(foldIn(key, use), shape), length);
  const cut = boxes(images, {
    centreX: centre(0, images.size(2)),
    centreY: centre(1, images.size(1)),
    half: side / 2,
  });
  return add(multiply(images, subtract(1, cut)), multiply(cut, fill));
}
