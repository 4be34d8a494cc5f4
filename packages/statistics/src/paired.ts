import type { Interval } from '@ferment/contracts';
import { tCritical, tTwoSidedP } from './distributions.js';
import { randomStream } from './random.js';
import { mean, standardDeviation } from './summary.js';

export interface PairedT {
  readonly n: number;
  readonly mean: number;
  readonly sd: number;
  readonly t: number;
  readonly p: number;
  /** (1 - alpha / m) interval: simultaneous over m comparisons. */
  readonly interval: Interval;
}

/**
 * Paired t test of differences against zero, with the Bonferroni interval over `m` comparisons.
 *
 * @param differences one per seed
 * @param m comparisons in the family, >= 1
 * @returns null for n < 2 or where the differences do not vary (t is then undefined)
 */
export function pairedT(differences: readonly number[], m = 1, alpha = 0.05): PairedT | null {
  const n = differences.length;
  if (n < 2) return null;
  const centre = mean(differences);
  const sd = standardDeviation(differences);
  if (sd === 0) return null;
  const error = sd / Math.sqrt(n);
  const half = tCritical(alpha / m, n - 1) * error;
  const t = centre / error;
  return {
    n,
    mean: centre,
    sd,
    t,
    p: tTwoSidedP(t, n - 1),
    interval: { low: centre - half, high: centre + half },
  };
}

export interface Permutation {
  readonly p: number;
  /** The smallest p that n differences can give: 2 / 2^n. */
  readonly floor: number;
  readonly exact: boolean;
  /** Random sign patterns drawn, or null where all 2^n were counted. */
  readonly resamples: number | null;
}

const exactLimit = 12;

/**
 * Two-sided sign-flip permutation test of the mean difference. Up to 12 differences every one of the 2^n sign
 * patterns is counted; above, `resamples` patterns are drawn and p = (hits + 1) / (resamples + 1)
 * (Phipson & Smyth, 2010), so that it is never zero.
 *
 * @returns null for no differences
 */
export function signFlipPermutation(
  differences: readonly number[],
  { resamples = 20_000, seed = 0 }: { resamples?: number; seed?: number } = {},
): Permutation | null {
  const n = differences.length;
  if (n === 0) return null;
  const floor = 2 / 2 ** n;
  const sum = differences.reduce((total, value) => total + value, 0);
  // Sums that are equal on paper differ in the last bits; they count as ties.
  const tolerance = 1e-10 * differences.reduce((total, value) => total + Math.abs(value), 0);
  const reached = Math.abs(sum) - tolerance;
  if (n <= exactLimit) {
    let hits = 0;
    for (let pattern = 0; pattern < 2 ** n; pattern += 1) {
      let flipped = 0;
      differences.forEach((value, index) => {
        flipped += (pattern >> index) & 1 ? -value : value;
      });
      if (Math.abs(flipped) >= reached) hits += 1;
    }
    return { p: hits / 2 ** n, floor: Math.min(1, floor), exact: true, resamples: null };
  }
  const random = randomStream(seed);
  let hits = 0;
  for (let resample = 0; resample < resamples; resample += 1) {
    let flipped = 0;
    for (const value of differences) flipped += random() < 0.5 ? -value : value;
    if (Math.abs(flipped) >= reached) hits += 1;
  }
  return { p: (hits + 1) / (resamples + 1), floor, exact: false, resamples };
}
