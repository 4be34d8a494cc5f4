import { invertSimilarity, type Similarity } from './similarity.js';

/**
 * Moves a grey picture by a similarity transform: bilinear, reflected at the border (dcba|abcd|dcba), as the training's
 * augmentation has it.
 *
 * @param pixels    size * size greys, 0 to 255, row major
 * @param transform where a point of the picture comes to lie in the result
 * @param target    side of the result in pixels (default: the same)
 * @returns target * target greys, rounded
 * @throws RangeError where the transform cannot be undone
 */
export function warpPicture(
  pixels: Uint8Array,
  size: number,
  transform: Similarity,
  target = size,
): Uint8Array {
  const back = invertSimilarity(transform);
  if (back === null) throw new RangeError('the transform takes the whole picture to one point');
  const result = new Uint8Array(target * target);
  for (let row = 0; row < target; row++) {
    for (let column = 0; column < target; column++) {
      const [u, v] = [column + 0.5, row + 0.5];
      // Pixel centres at whole numbers from here on.
      const x = back.a * u - back.b * v + back.x0 - 0.5;
      const y = back.b * u + back.a * v + back.y0 - 0.5;
      const left = Math.floor(x);
      const top = Math.floor(y);
      const [dx, dy] = [x - left, y - top];
      const [x0, x1] = [reflected(left, size), reflected(left + 1, size)];
      const [y0, y1] = [reflected(top, size) * size, reflected(top + 1, size) * size];
      const above = (pixels[y0 + x0] as number) * (1 - dx) + (pixels[y0 + x1] as number) * dx;
      const below = (pixels[y1 + x0] as number) * (1 - dx) + (pixels[y1 + x1] as number) * dx;
      result[row * target + column] = Math.round(above * (1 - dy) + below * dy);
    }
  }
  return result;
}

/** The pixel that stands at a place outside the picture, mirrored at its edges as often as needed. */
function reflected(index: number, size: number): number {
  const period = 2 * size;
  const within = ((index % period) + period) % period;
  return within < size ? within : period - 1 - within;
}
