import { drawIndex, normal } from './random.js';

/** A mixture of normal densities on [low, high], each cut off there; its weights sum to 1. */
export interface NumericMixture {
  readonly low: number;
  readonly high: number;
  /** Values are low + n step, n whole; null where they are any. */
  readonly step: number | null;
  readonly means: readonly number[];
  readonly deviations: readonly number[];
  readonly weights: readonly number[];
}

/** Weights of observations, the oldest first: the newest 25 count whole, older ones the less (Optuna's default). */
export function recencyWeights(n: number): number[] {
  const ramp = n - 25;
  return Array.from({ length: n }, (_, at) => {
    if (at >= ramp) return 1;
    return ramp === 1 ? 1 / n : 1 / n + ((1 - 1 / n) * at) / (ramp - 1);
  });
}

function normalised(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/**
 * The Parzen estimator of Bergstra et al. (NeurIPS 2011) with Optuna's defaults: a normal on each observation, as wide as
 * the farther of its two neighbours is away, and a prior of weight 1 in the middle as wide as the range; no width falls
 * below range / min(100, 1 + number of normals).
 *
 * @param observations oldest first, within the range
 */
export function numericMixture(
  observations: readonly number[],
  range: { low: number; high: number; step: number | null },
): NumericMixture {
  const half = (range.step ?? 0) / 2;
  const low = range.low - half;
  const high = range.high + half;
  const means = [...observations, (low + high) / 2];
  const order = means.map((_, at) => at).sort((a, b) => (means[a] ?? 0) - (means[b] ?? 0) || a - b);
  const sorted = [low, ...order.map((at) => means[at] ?? 0), high];
  const gap = (at: number) => (sorted[at + 1] ?? 0) - (sorted[at] ?? 0);
  const deviations = new Array<number>(means.length).fill(0);
  order.forEach((at, place) => {
    const first = place === 0 && sorted.length >= 4;
    const last = place === order.length - 1 && sorted.length >= 4;
    const left = gap(place);
    const right = gap(place + 1);
    deviations[at] = first ? right : last ? left : Math.max(left, right);
  });
  const widest = high - low;
  const narrowest = widest / Math.min(100, 1 + means.length);
  const clipped = deviations.map((deviation) => Math.min(widest, Math.max(narrowest, deviation)));
  clipped[means.length - 1] = widest;
  const weights = normalised([...recencyWeights(observations.length), 1]);
  return { low, high, step: range.step, means, deviations: clipped, weights };
}

/** The same for values without order: each observation adds its weight to its own value, the prior to all alike. */
export function choiceWeights(observations: readonly number[], choices: number): number[] {
  const weights = normalised([...recencyWeights(observations.length), 1]);
  const kernels = observations.length + 1;
  const result = new Array<number>(choices).fill(0);
  weights.forEach((weight, at) => {
    const own = observations[at];
    // Each kernel: prior weight / kernels everywhere, and one more on the value seen.
    const each = 1 / kernels;
    const sum = choices * each + (own === undefined ? 0 : 1);
    for (let choice = 0; choice < choices; choice += 1)
      result[choice] = (result[choice] ?? 0) + (weight * (each + (choice === own ? 1 : 0))) / sum;
  });
  return result;
}

/** A value of the mixture. */
export function sampleNumeric(mixture: NumericMixture, random: () => number): number {
  const { low, high, step, means, deviations, weights } = mixture;
  const at = drawIndex(random, weights);
  for (;;) {
    const value = (means[at] ?? 0) + (deviations[at] ?? 1) * normal(random);
    if (value < low || value >= high) continue;
    if (step === null) return value;
    const first = low + step / 2;
    return first + Math.round((value - first) / step) * step;
  }
}

/** The logarithm of the mixture's density at a value; with a step, of its probability. */
export function logDensity(mixture: NumericMixture, value: number): number {
  const { low, high, step, means, deviations, weights } = mixture;
  let density = 0;
  means.forEach((mean, at) => {
    const deviation = deviations[at] ?? 1;
    const within = mass((low - mean) / deviation, (high - mean) / deviation);
    const own =
      step === null
        ? Math.exp(-(((value - mean) / deviation) ** 2) / 2) / (deviation * Math.sqrt(2 * Math.PI))
        : mass((value - step / 2 - mean) / deviation, (value + step / 2 - mean) / deviation);
    density += ((weights[at] ?? 0) * own) / within;
  });
  return Math.log(Math.max(density, Number.MIN_VALUE));
}

/** Probability of a standard normal number between a and b; both tails are computed where they are small. */
function mass(a: number, b: number): number {
  const upper = (x: number) => complementaryError(x / Math.SQRT2) / 2;
  return a > 0 ? upper(a) - upper(b) : upper(-b) - upper(-a);
}

const chebyshev = [
  -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587,
  -0.82215223, 0.17087277,
];

/** erfc by the Chebyshev fit of Press et al., Numerical Recipes, 6.2: relative error below 1.2e-7 everywhere. */
function complementaryError(x: number): number {
  const t = 1 / (1 + Math.abs(x) / 2);
  const polynomial = chebyshev.reduceRight((sum, coefficient) => sum * t + coefficient, 0);
  const tail = t * Math.exp(-x * x + polynomial);
  return x >= 0 ? tail : 2 - tail;
}
