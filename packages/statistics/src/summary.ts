import type { SeedSummary } from '@ferment/contracts';
import { tCritical } from './distributions.js';

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Standard deviation with n - 1 in the denominator. Values equal up to rounding (1e-12 of their size) give exactly
 * zero, so that no test is built on rounding noise.
 */
export function standardDeviation(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  const sd = Math.sqrt(squares / (values.length - 1));
  const size = Math.max(...values.map(Math.abs));
  return sd <= 1e-12 * size ? 0 : sd;
}

/**
 * Mean over seeds with its (1 - alpha) t-interval: mean ± t(1 - alpha / 2, n - 1) sd / sqrt(n).
 * With n = 0 there is no mean; with n = 1 no sd and no interval.
 */
export function summarise(values: readonly number[], alpha = 0.05): SeedSummary {
  const n = values.length;
  if (n === 0) return { n, mean: null, sd: null, interval: null };
  const centre = mean(values);
  if (n === 1) return { n, mean: centre, sd: null, interval: null };
  const sd = standardDeviation(values);
  const half = (tCritical(alpha, n - 1) * sd) / Math.sqrt(n);
  return { n, mean: centre, sd, interval: { low: centre - half, high: centre + half } };
}
