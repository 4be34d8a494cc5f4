import {
  add,
  cast,
  clip,
  divide,
  foldIn,
  less,
  maximum,
  mean,
  multiply,
  reshape,
  reverse,
  sqrt,
  standardGamma,
  subtract,
  uniform,
  type Tensor,
} from '../tensor/index.js';
import { boxes } from './boxes.js';

/** alpha of the Beta distribution of each; 0 leaves it out. */
export interface MixOptions {
  readonly mixup: number;
  readonly cutmix: number;
}

/** Images that show two of the batch at once. */
export interface Mixed {
  readonly images: Tensor;
  /** int32 [batch]: the label of the other image. */
  readonly otherLabels: Tensor;
  /** float32 [batch], 0.5 to 1: how much of each picture is the image whose place it has. */
  readonly share: Tensor;
}

interface Blended {
  readonly images: Tensor;
  /** [batch, 1, 1, 1]. */
  readonly share: Tensor;
}

/** The larger of lambda and 1 - lambda, lambda ~ Beta(alpha, alpha) for each image: [batch, 1, 1, 1]. */
function shares(key: Tensor, batch: number, alpha: number): Tensor {
  const draw = (use: number) => standardGamma(foldIn(key, use), [batch, 1, 1, 1], alpha);
  // A small alpha draws values that are zero in float32; with both, each image keeps itself.
  const [own, other] = [maximum(draw(0), 1e-20), draw(1)];
  const share = divide(own, add(own, other));
  return maximum(share, subtract(1, share));
}

/** mixup (Zhang et al., ICLR 2018): lambda x_i + (1 - lambda) x_j. */
function mixup(images: Tensor, others: Tensor, key: Tensor, alpha: number): Blended {
  const share = shares(key, images.size(0), alpha);
  return { images: add(multiply(images, share), multiply(others, subtract(1, share))), share };
}

/**
 * CutMix (Yun et al., ICCV 2019): a box of x_j with sides sqrt(1 - lambda) of the picture's, its centre anywhere, in the
 * place of x_i's; the share is what of the box lies inside.
 */
function cutmix(images: Tensor, others: Tensor, key: Tensor, alpha: number): Blended {
  const share = shares(foldIn(key, 0), images.size(0), alpha);
  const centre = (use: number, length: number) => multiply(uniform(foldIn(key, use), share.shape), length);
  const box = boxes(images, {
    centreX: centre(1, images.size(2)),
    centreY: centre(2, images.size(1)),
    half: multiply(sqrt(subtract(1, share)), images.size(1) / 2),
  });
  return {
    images: add(multiply(images, subtract(1, box)), multiply(others, box)),
    share: subtract(1, mean(box, [1, 2, 3], true)),
  };
}

/** One of two for each image, by chance. */
function either(a: Blended, b: Blended, key: Tensor): Blended {
  const first = cast(less(uniform(key, a.share.shape), 0.5), 'float32');
  const pick = (x: Tensor, y: Tensor) => add(multiply(x, first), multiply(y, subtract(1, first)));
  return { images: pick(a.images, b.images), share: pick(a.share, b.share) };
}

/**
 * Every image with the one at the other end of the batch, which is in random order. The image whose place it is has the
 * larger part of the picture.
 *
 * @param images float32 [batch, size, size, channels], pixels
 * @param labels int32 [batch]
 * @param key    int32[2]; the same key gives the same mixtures
 */
export function mix(images: Tensor, labels: Tensor, key: Tensor, options: MixOptions): Mixed {
  const others = reverse(images);
  const blends: Blended[] = [];
  if (options.mixup > 0) blends.push(mixup(images, others, foldIn(key, 0), options.mixup));
  if (options.cutmix > 0) blends.push(cutmix(images, others, foldIn(key, 1), options.cutmix));
  const [first, second] = blends;
  if (!first) throw new RangeError('expected mixup or cutmix above zero');
  const { images: mixed, share } = second ? either(first, second, foldIn(key, 2)) : first;
  return {
    images: mixed,
    otherLabels: reverse(labels),
    share: reshape(clip(share, 0, 1), [images.size(0)]),
  };
}
