import type { AugmentDetail } from '@ferment/contracts';
import { add, clip, foldIn, mean, multiply, subtract, type Tensor } from '../tensor/index.js';
import { randomFactor, type RandomAmounts } from './rand-augment.js';

/**
 * Brightness, then contrast, as torchvision's ColorJitter has them: pixels times a factor; then the distance from the
 * picture's mean times a factor. Each factor is uniform in 1 ± the option. Pixels stay within 0 and 255.
 *
 * @param images float32 [batch, height, width, channels], 0 to 255
 * @param more   RandAugment's brightness and contrast, on top; null where there is none
 */
export function photometric(
  images: Tensor,
  key: Tensor,
  { brightness, contrast }: AugmentDetail,
  more: RandomAmounts | null,
): Tensor {
  const batch = images.size(0);
  let result = images;
  if (brightness > 0 || more) {
    const factor = randomFactor(foldIn(key, 0), batch, brightness, more && more.brightness);
    result = clip(multiply(result, factor), 0, 255);
  }
  if (contrast > 0 || more) {
    const factor = randomFactor(foldIn(key, 1), batch, contrast, more && more.contrast);
    const average = mean(result, [1, 2, 3], true);
    result = clip(add(average, multiply(subtract(result, average), factor)), 0, 255);
  }
  return result;
}
