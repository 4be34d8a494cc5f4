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
  /** How much of each normal lies within the range. */
  readonly masses: readonly number[];
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
 * below range / min(100, 2 + number of observations).
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
  const widest = high - low;
  const narrowest = widest / Math.min(100, 2 + observations.length);
  const deviations = neighbourDistances(observations, low, high).map((distance) =>
    Math.min(widest, Math.max(narrowest, distance)),
  );
  const means = [...observations, (low + high) / 2];
  const all = [...deviations, widest];
  return {
    ...{ low, high, step: range.step },
    means,
    deviations: all,
    masses: means.map((mean, at) => mass((low - mean) / (all[at] ?? 1), (high - mean) / (all[at] ?? 1))),
    weights: normalised([...recencyWeights(observations.length), 1]),
  };
}

/** How far the farther neighbour of each value is; the ends of the range are neighbours of a value alone only. */
function neighbourDistances(values: readonly number[], low: number, high: number): number[] {
  const order = values.map((_, at) => at).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0) || a - b);
  const distances = new Array<number>(values.length).fill(0);
  order.forEach((at, place) => {
    const own = values[at] ?? 0;
    const before = values[order[place - 1] ?? -1];
    const after = values[order[place + 1] ?? -1];
    const alone = values.length === 1;
    const left = before ?? (alone ? low : own);
    const right = after ?? (alone ? high : own);
    distances[at] = Math.max(own - left, right - own);
  });
  return distances;
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
  // A third of a normal at an end of the range lies within it, unless the range is so short that it has no numbers.
  for (let attempt = 0; attempt < 1000; attempt += 1) {
    const value = (means[at] ?? 0) + (deviations[at] ?? 1) * normal(random);
    if (value < low || value >= high) continue;
    if (step === null) return value;
    const first = low + step / 2;
    return first + Math.round((value - first) / step) * step;
  }
  return low + (step ?? 0) / 2;
}

/** The logarithm of the mixture's density at a value; with a step, of its probability. */
export function logDensity(mixture: NumericMixture, value: number): number {
  const { step, means, deviations, weights, masses } = mixture;
  let density = 0;
  means.forEach((mean, at) => {
    const deviation = deviations[at] ?? 1;
    const own =
      step === null
        ? Math.exp(-(((value - mean) / deviation) ** 2) / 2) / (deviation * Math.sqrt(2 * Math.PI))
        : mass((value - step / 2 - mean) / deviation, (value + step / 2 - mean) / deviation);
    density += ((weights[at] ?? 0) * own) / (masses[at] ?? 1);
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
