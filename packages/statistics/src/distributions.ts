import erfc from '@stdlib/math-base-special-erfc';
import tCdf from '@stdlib/stats-base-dists-t-cdf';
import tQuantileOf from '@stdlib/stats-base-dists-t-quantile';

/** Standard normal distribution function. */
export function normalCdf(x: number): number {
  return 0.5 * erfc(-x / Math.SQRT2);
}

/** Two-sided p of a t statistic with `df` > 0 degrees of freedom. */
export function tTwoSidedP(t: number, df: number): number {
  return Math.min(1, 2 * tCdf(-Math.abs(t), df));
}

/** The t that leaves `alpha` (in (0, 1)) outside ±t, with `df` degrees of freedom. */
export function tCritical(alpha: number, df: number): number {
  return -tQuantileOf(alpha / 2, df);
}

/**
 * Two-sided power of a t test: P(|T'| > critical), T' noncentral t with `df` degrees of freedom and
 * noncentrality `delta`. Exact up to quadrature: T' = (Z + delta) / U with U = sqrt(chi²(df) / df), so the power is
 * the integral over U's density of Phi(delta - critical u) + Phi(-delta - critical u) (Johnson, Kotz & Balakrishnan,
 * Continuous Univariate Distributions 2, ch. 31). Simpson's rule; the density is normalised by the same rule.
 */
export function noncentralTPower(critical: number, df: number, delta: number): number {
  const mode = Math.sqrt(Math.max(0, (df - 1) / df));
  const reach = 12 / Math.sqrt(2 * df);
  const low = Math.max(0, mode - reach);
  const high = mode + reach;
  // The integrand changes over a length of about 1 / critical: some thirty points on it.
  const steps = 2 * Math.ceil(Math.min(20_000, Math.max(300, 15 * (high - low) * critical)));
  const width = (high - low) / steps;
  const logPeak = logDensity(Math.max(mode, 1e-300), df);
  let total = 0;
  let mass = 0;
  for (let index = 0; index <= steps; index += 1) {
    const u = low + index * width;
    const simpson = index === 0 || index === steps ? 1 : index % 2 === 1 ? 4 : 2;
    const weight = simpson * Math.exp(logDensity(u, df) - logPeak);
    mass += weight;
    total += weight * (normalCdf(delta - critical * u) + normalCdf(-delta - critical * u));
  }
  return total / mass;
}

/** Log density of sqrt(chi²(df) / df) at u, up to a constant. */
function logDensity(u: number, df: number): number {
  return (df === 1 ? 0 : (df - 1) * Math.log(u)) - (df * u * u) / 2;
}
