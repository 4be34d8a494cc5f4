import type { AugmentDetail } from '@ferment/contracts';
import {
  add,
  cast,
  foldIn,
  less,
  multiply,
  oneHot,
  reshape,
  slice,
  subtract,
  sum,
  uniform,
  type Tensor,
} from '../tensor/index.js';

/**
 * The operations and their range at magnitude 10: radians, shear, parts of the picture's side, and parts of the factor 1.
 * RandAugment's list without what changes a face beyond telling (solarize, posterize, invert, equalize) and with half
 * the translation, as a face fills its picture.
 */
const ranges = {
  identity: 0,
  rotate: Math.PI / 6,
  shearX: 0.3,
  shearY: 0.3,
  translateX: 0.225,
  translateY: 0.225,
  brightness: 0.5,
  contrast: 0.5,
} as const;
const operations = Object.keys(ranges) as (keyof typeof ranges)[];

/** How much of each operation an image gets, [batch, 1], signed; an operation drawn twice counts twice. */
export type RandomAmounts = Readonly<Record<keyof typeof ranges, Tensor>>;

/**
 * RandAugment's draws (Cubuk et al., NeurIPS 2020, section 3): for every image `operations` of the list, each equally
 * likely, all at the same magnitude, in either direction.
 *
 * @param key int32[2]; the same key gives the same draws
 */
export function randomAmounts(
  key: Tensor,
  batch: number,
  { operations: count, magnitude }: NonNullable<AugmentDetail['randAugment']>,
): RandomAmounts {
  const shape = [batch, count] as const;
  const chosen = cast(multiply(uniform(foldIn(key, 0), shape), operations.length), 'int32');
  const either = subtract(multiply(cast(less(uniform(foldIn(key, 1), shape), 0.5), 'float32'), 2), 1);
  const signed = multiply(oneHot(chosen, operations.length), reshape(either, [...shape, 1]));
  const times = sum(signed, [1]);
  const amount = (index: number, range: number) =>
    multiply(slice(times, [0, index], [batch, 1]), (range * magnitude) / 10);
  return Object.fromEntries(
    operations.map((name, index) => [name, amount(index, ranges[name])] as const),
  ) as RandomAmounts;
}

/** 1 ± what is drawn within `bound`, and RandAugment's amount on top: [batch, 1, 1, 1]. */
export function randomFactor(key: Tensor, batch: number, bound: number, amount: Tensor | null): Tensor {
  const drawn = add(multiply(subtract(uniform(key, [batch, 1]), 0.5), 2 * bound), 1);
  return reshape(amount ? add(drawn, amount) : drawn, [batch, 1, 1, 1]);
}
