import { describe, expect, it } from '@jest/globals';
import {
  bonferroni,
  holm,
  normalCdf,
  pairedT,
  pairedTPower,
  seedsForPower,
  signFlipPermutation,
  summarise,
  tCritical,
  tTwoSidedP,
} from '../src/index.js';
import { fixtures } from './reference.js';

/** Largest difference relative to the expected value (absolute below 1e-12). */
function expectClose(actual: number | undefined, expected: number, tolerance = 1e-9) {
  expect(actual).toBeDefined();
  const error = Math.abs((actual ?? NaN) - expected) / Math.max(Math.abs(expected), 1e-12);
  expect(error).toBeLessThan(tolerance);
}

describe('distributions agree with scipy', () => {
  it.each(fixtures.tCritical)('t critical value at alpha $alpha, df $df', ({ alpha, df, t }) => {
    expectClose(tCritical(alpha, df), t);
  });
  it.each(fixtures.tTwoSidedP)('two-sided p of t $t, df $df', ({ t, df, p }) => {
    expectClose(tTwoSidedP(t, df), p, 1e-8);
    expectClose(tTwoSidedP(-t, df), p, 1e-8);
  });
  it.each(fixtures.normalCdf)('normal distribution at $x', ({ x, p }) => {
    expectClose(normalCdf(x), p);
  });
});

describe('tests agree with scipy', () => {
  it.each(fixtures.oneSample)('t-interval of $values.length values', ({ values, mean, sd, low, high }) => {
    const summary = summarise(values);
    expect(summary.n).toBe(values.length);
    expectClose(summary.mean ?? NaN, mean);
    expectClose(summary.sd ?? NaN, sd);
    expectClose(summary.interval?.low, low, 1e-8);
    expectClose(summary.interval?.high, high, 1e-8);
  });

  it.each(fixtures.paired)('paired t over $baseline.length seeds, m = $m', (expected) => {
    const differences = expected.variant.map((value, index) => value - (expected.baseline[index] ?? NaN));
    const test = pairedT(differences, expected.m);
    expectClose(test?.t, expected.t, 1e-8);
    expectClose(test?.p, expected.p, 1e-8);
    expectClose(test?.interval.low, expected.low, 1e-7);
    expectClose(test?.interval.high, expected.high, 1e-7);
    expectClose(bonferroni(test?.p ?? NaN, expected.m), expected.bonferroni, 1e-8);
    const permutation = signFlipPermutation(differences);
    if (expected.permutation === undefined) {
      expect(permutation?.exact).toBe(false);
    } else {
      expect(permutation?.exact).toBe(true);
      expectClose(permutation?.p, expected.permutation, 1e-12);
    }
  });

  it('counts ties in the permutation test as scipy does', () => {
    expectClose(
      signFlipPermutation(fixtures.permutationTies.differences)?.p,
      fixtures.permutationTies.p,
      1e-12,
    );
  });

  it.each(fixtures.holm)('Holm of $p', ({ p, adjusted }) => {
    holm(p).forEach((value, index) => expectClose(value ?? NaN, adjusted[index] ?? NaN, 1e-12));
  });
});

describe('power agrees with scipy and statsmodels', () => {
  it.each(fixtures.power)(
    'effect $effect, n $n, alpha $alpha',
    ({ effect, n, alpha, power, statsmodels }) => {
      const ours = pairedTPower(n, effect, alpha);
      expect(Math.abs(ours - power)).toBeLessThan(1e-8);
      expect(Math.abs(ours - statsmodels)).toBeLessThan(1e-6);
    },
  );
  it.each(fixtures.seeds)('seeds for effect $effect at $alpha', ({ effect, alpha, seeds, statsmodels }) => {
    expect(seedsForPower(effect, alpha)).toBe(seeds);
    expect(Math.max(2, Math.ceil(statsmodels - 1e-6))).toBe(seeds);
  });
});
