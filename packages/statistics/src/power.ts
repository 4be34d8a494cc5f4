import type { SeedAdvice } from '@ferment/contracts';
import { noncentralTPower, tCritical } from './distributions.js';

/** No table is asked for more seeds than this; above it the answer is null. */
const mostSeeds = 100_000;

/**
 * Power of the two-sided paired t test over `n` >= 2 seeds at level `alpha`, exact (noncentral t).
 *
 * @param effectSize true mean of the differences over their standard deviation (Cohen's d_z)
 */
export function pairedTPower(n: number, effectSize: number, alpha: number): number {
  return noncentralTPower(tCritical(alpha, n - 1), n - 1, Math.abs(effectSize) * Math.sqrt(n));
}

/** The smallest n with at least `power` (above .5) at that effect size; null where more than 100,000 would be needed. */
export function seedsForPower(effectSize: number, alpha: number, power = 0.8): number | null {
  if (effectSize === 0 || !Number.isFinite(effectSize)) return null;
  const enough = (n: number) => pairedTPower(n, effectSize, alpha) >= power;
  // With the standard deviation known (a z test) fewer seeds do: the search begins there, a few below the answer.
  const known = ((normalCritical(alpha) + normalCritical(2 * (1 - power))) / effectSize) ** 2;
  if (known > mostSeeds) return null;
  let low = Math.max(1, Math.ceil(known) - 2);
  let stride = 1;
  while (!enough(low + stride)) {
    low += stride;
    stride *= 2;
    if (low > mostSeeds) return null;
  }
  let high = low + stride;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (enough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** The z that leaves `alpha` outside ±z: the t of a million degrees of freedom. */
function normalCritical(alpha: number): number {
  return tCritical(alpha, 1e6);
}

/** The smallest n whose sign-flip permutation floor 2 / 2^n does not exceed alpha / m. */
export function seedsForPermutation(m: number, alpha = 0.05): number {
  let n = 1;
  while (2 / 2 ** n > alpha / m) n += 1;
  return n;
}

/**
 * How many seeds a table of `m` comparisons needs, before anything runs: for its permutation test to be able to
 * reject at all, and for its paired t to see differences of 1, 1.5 and 2 standard deviations (of the differences
 * between seeds) with power .8, both at level alpha / m.
 *
 * @param m comparisons, >= 1 (a table of none is treated as one)
 */
export function seedAdvice(
  m: number,
  { alpha = 0.05, power = 0.8, effectSizes = [1, 1.5, 2] }: SeedAdviceOptions = {},
): SeedAdvice {
  const comparisons = Math.max(1, m);
  return {
    comparisons: m,
    alpha,
    power,
    permutation: seedsForPermutation(comparisons, alpha),
    pairedT: effectSizes.flatMap((effectSize) => {
      const seeds = seedsForPower(effectSize, alpha / comparisons, power);
      return seeds === null ? [] : [{ effectSize, seeds }];
    }),
  };
}

export interface SeedAdviceOptions {
  readonly alpha?: number;
  readonly power?: number;
  readonly effectSizes?: readonly number[];
}
