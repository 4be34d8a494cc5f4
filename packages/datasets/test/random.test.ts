import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Random } from '../src/index.js';
import { splitMix64 } from '../src/random.js';

describe('Random', () => {
  it('follows the reference sequence of xoshiro128** (rand_xoshiro, state 1 2 3 4)', () => {
    const random = Random.fromState([1, 2, 3, 4]);
    const words = Array.from({ length: 10 }, () => random.uint32());
    expect(words).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it('seeds by the reference sequence of SplitMix64 (seed 0)', () => {
    const words = splitMix64(0n);
    expect([words.next().value, words.next().value, words.next().value]).toEqual([
      0xe220a8397b1dcdafn,
      0x6e789e6aa1b965f4n,
      0x06c45d188009454fn,
    ]);
  });

  it('gives other sequences for other seeds and streams, the same for the same', () => {
    const first = (seed: number, stream: number): string => {
      const random = Random.seeded(seed, stream);
      return [random.uint32(), random.uint32()].join();
    };
    const all = [first(0, 0), first(1, 0), first(0, 1), first(1, 1)];
    expect(new Set(all).size).toBe(4);
    expect(first(1, 1)).toBe(all[3]);
  });

  it('shuffles into a permutation, and draws integers below their bound', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.integer()),
        fc.integer({ min: 1, max: 2 ** 32 }),
        (seed, items, bound) => {
          const random = Random.seeded(seed);
          const ascending = (a: number, b: number): number => a - b;
          expect(random.shuffle([...items]).sort(ascending)).toEqual([...items].sort(ascending));
          expect(random.below(bound)).toBeLessThan(bound);
        },
      ),
    );
  });

  it('has the moments of the uniform and the normal distribution', () => {
    const random = Random.seeded(7);
    const draws = Array.from({ length: 20000 }, () => [random.float(), random.normal()] as const);
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(draws.map(([uniform]) => uniform))).toBeCloseTo(0.5, 1);
    expect(mean(draws.map(([, normal]) => normal))).toBeCloseTo(0, 1);
    expect(mean(draws.map(([, normal]) => normal * normal))).toBeCloseTo(1, 1);
  });

  it('refuses a bound that is no positive integer', () => {
    expect(() => Random.seeded(0).below(0)).toThrow('expected a bound from 1');
  });
});
