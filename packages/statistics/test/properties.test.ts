import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  bonferroni,
  holm,
  pairedT,
  pairedTPower,
  seedAdvice,
  seedsForPermutation,
  signFlipPermutation,
  summarise,
} from '../src/index.js';

const differences = (maxLength = 12) =>
  fc.array(
    fc.integer({ min: -2000, max: 2000 }).map((value) => value / 10_000),
    { minLength: 2, maxLength },
  );
const probability = fc.double({ min: 0, max: 1, noNaN: true });
const comparisons = fc.integer({ min: 1, max: 50 });

describe('paired t', () => {
  it('rejects exactly when its simultaneous interval leaves out zero', () => {
    fc.assert(
      fc.property(differences(), comparisons, (values, m) => {
        const test = pairedT(values, m);
        if (!test) return;
        const p = bonferroni(test.p, m);
        if (Math.abs(p - 0.05) < 1e-9) return;
        expect(test.interval.low > 0 || test.interval.high < 0).toBe(p < 0.05);
      }),
    );
  });

  it('changes sign with the differences and does not see their order or unit', () => {
    fc.assert(
      fc.property(differences(), (values) => {
        const test = pairedT(values);
        const mirrored = pairedT(values.map((value) => -value).reverse());
        const scaled = pairedT(values.map((value) => value * 1000));
        expect(mirrored === null).toBe(test === null);
        if (!test || !mirrored || !scaled) return;
        expect(mirrored.t).toBeCloseTo(-test.t, 8);
        expect(mirrored.p).toBeCloseTo(test.p, 8);
        expect(scaled.p).toBeCloseTo(test.p, 8);
      }),
    );
  });
});

describe('sign-flip permutation', () => {
  it('lies between its floor and 1, in steps of the floor', () => {
    fc.assert(
      fc.property(differences(10), (values) => {
        const test = signFlipPermutation(values);
        if (!test) throw new Error('no test');
        expect(test.floor).toBe(2 / 2 ** values.length);
        expect(test.p).toBeGreaterThanOrEqual(test.floor);
        expect(test.p).toBeLessThanOrEqual(1);
        expect(Number.isInteger((test.p / test.floor) * 2)).toBe(true);
      }),
    );
  });

  it('reaches the floor for differences of one sign', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }), (values) => {
        expect(signFlipPermutation(values)?.p).toBe(Math.min(1, 2 / 2 ** values.length));
      }),
    );
  });

  it('is the same on every call above 12 differences, and close to the exact value', () => {
    const values = Array.from({ length: 16 }, (_, index) => ((index * 37) % 11) - 3.2);
    const first = signFlipPermutation(values);
    expect(first?.exact).toBe(false);
    expect(signFlipPermutation(values)).toEqual(first);
    let hits = 0;
    const reached = Math.abs(values.reduce((sum, value) => sum + value, 0)) - 1e-9;
    for (let pattern = 0; pattern < 2 ** 16; pattern += 1) {
      const sum = values.reduce(
        (total, value, index) => total + ((pattern >> index) & 1 ? -value : value),
        0,
      );
      if (Math.abs(sum) >= reached) hits += 1;
    }
    const exact = hits / 2 ** 16;
    // Four standard errors of 20,000 draws.
    expect(Math.abs((first?.p ?? NaN) - exact)).toBeLessThan(
      4 * Math.sqrt((exact * (1 - exact)) / 20_000) + 1e-4,
    );
  });
});

describe('adjustments', () => {
  it('Holm lies between p and Bonferroni and keeps the order', () => {
    fc.assert(
      fc.property(fc.array(probability, { minLength: 1, maxLength: 20 }), (ps) => {
        const adjusted = holm(ps);
        ps.forEach((p, index) => {
          const value = adjusted[index] ?? NaN;
          expect(value).toBeGreaterThanOrEqual(p);
          expect(value).toBeLessThanOrEqual(bonferroni(p, ps.length));
        });
        const sorted = ps
          .map((p, index) => ({ p, adjusted: adjusted[index] ?? NaN }))
          .sort((a, b) => a.p - b.p);
        sorted.slice(1).forEach((one, index) => {
          expect(one.adjusted).toBeGreaterThanOrEqual(sorted[index]?.adjusted ?? NaN);
        });
      }),
    );
  });

  it('Holm leaves comparisons without a p out, yet counts them', () => {
    expect(holm([0.01, null, 0.02])).toEqual([0.03, null, 0.04]);
  });
});

describe('summaries', () => {
  it('hold the mean inside the interval, and give none for one value', () => {
    fc.assert(
      fc.property(differences(), (values) => {
        const { mean, interval } = summarise(values);
        expect(interval?.low).toBeLessThanOrEqual(mean ?? NaN);
        expect(interval?.high).toBeGreaterThanOrEqual(mean ?? NaN);
      }),
    );
    expect(summarise([0.4])).toEqual({ n: 1, mean: 0.4, sd: null, interval: null });
    expect(summarise([])).toEqual({ n: 0, mean: null, sd: null, interval: null });
  });
});

describe('power and seeds', () => {
  it('power rises with n and with the effect, and starts at alpha', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.double({ min: 0.05, max: 2, noNaN: true }),
        (n, effect) => {
          const power = pairedTPower(n, effect, 0.05);
          expect(pairedTPower(n + 1, effect, 0.05)).toBeGreaterThanOrEqual(power - 1e-9);
          expect(pairedTPower(n, effect * 1.1, 0.05)).toBeGreaterThanOrEqual(power - 1e-9);
          expect(pairedTPower(n, 0, 0.05)).toBeCloseTo(0.05, 6);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('advises the seeds that a table of m comparisons needs', () => {
    expect(seedsForPermutation(1)).toBe(6);
    expect(seedsForPermutation(2)).toBe(7);
    expect(seedsForPermutation(6)).toBe(8);
    const advice = seedAdvice(6);
    expect(advice).toMatchObject({ comparisons: 6, permutation: 8 });
    for (const { effectSize, seeds } of advice.pairedT) {
      expect(pairedTPower(seeds, effectSize, 0.05 / 6)).toBeGreaterThanOrEqual(0.8);
      expect(pairedTPower(seeds - 1, effectSize, 0.05 / 6)).toBeLessThan(0.8);
    }
  });
});
