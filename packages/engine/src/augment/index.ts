import type { AugmentDetail } from '@ferment/contracts';
import { foldIn, type Tensor } from '../tensor/index.js';
import { affine } from './affine.js';
import { cutout } from './cutout.js';
import { photometric } from './photometric.js';
import { randomAmounts } from './rand-augment.js';

export { meanOverViews } from './test-time.js';
export { mix, type Mixed, type MixOptions } from './mix.js';

/**
 * A batch's pictures, each changed on its own: one affine transform, brightness and contrast, a cut-out square (see the
 * files beside this one for each).
 *
 * @param images float32 [batch, height, width, channels], 0 to 255
 * @param key    int32[2]; the same key gives the same pictures
 * @param fill   the pixel value that normalises to zero, for what is cut out
 */
export function augment(images: Tensor, key: Tensor, options: AugmentDetail, fill: number): Tensor {
  const { randAugment } = options;
  const more = randAugment && randomAmounts(foldIn(key, 1), images.size(0), randAugment);
  const moved = affine(images, key, options, more);
  const lit = photometric(moved, foldIn(key, 2), options, more);
  return cutout(lit, foldIn(key, 3), options.cutout, fill);
}
