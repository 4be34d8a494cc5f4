import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  parameterSize,
  searchSpec,
  spaceSize,
  type SearchParameter,
  type SearchSpec,
  type SearchValues,
} from '@ferment/contracts';
import fc from 'fast-check';
import { nextValues, type Observed } from '../src/index.js';
import { choiceWeights, logDensity, numericMixture, recencyWeights } from '../src/search/parzen.js';
import { divided, goodOf } from '../src/search/sampler.js';
import { randomFrom } from '../src/search/random.js';

interface ParzenCase {
  kind: 'uniform' | 'loguniform' | 'int' | 'choice';
  low: number;
  high: number;
  step?: number;
  observations: number[];
  values: number[];
  logDensities: number[];
}
const peer = JSON.parse(readFileSync(new URL('./fixtures/parzen.json', import.meta.url), 'utf8')) as {
  cases: ParzenCase[];
  weights: Record<string, number[]>;
  good: Record<string, number>;
};

describe("Optuna's estimators", () => {
  it.each(peer.cases.map((each) => [each.kind, each.observations.length, each] as const))(
    '%s of %d observations has the same densities',
    (kind, _, { low, high, step, observations, values, logDensities }) => {
      const inward = (value: number) => (kind === 'loguniform' ? Math.log(value) : value);
      const found =
        kind === 'choice'
          ? choiceWeights(observations, 3).map(Math.log)
          : values.map((value) =>
              logDensity(
                numericMixture(observations.map(inward), {
                  ...{ low: inward(low), high: inward(high), step: step ?? null },
                }),
                inward(value),
              ),
            );
      // erfc is computed to seven digits. Densities are those of the logarithm, where that is uniform.
      found.forEach((value, at) => expect(value).toBeCloseTo(logDensities[at] ?? NaN, 5));
    },
  );

  it('has the same weights of old results, and takes as many of them for good', () => {
    for (const [n, weights] of Object.entries(peer.weights))
      recencyWeights(Number(n)).forEach((weight, at) => expect(weight).toBeCloseTo(weights[at] ?? NaN, 12));
    for (const [n, good] of Object.entries(peer.good)) expect(goodOf(Number(n))).toBe(good);
  });
});

describe('good and other results', () => {
  const of = (state: Observed['state'], loss: number | null, epochs = 0): Observed => ({
    ...{ values: { x: loss }, state, loss, epochs },
  });

  it('finished ones stand before stopped ones, longer trained ones of those first, then failed and undecided ones', () => {
    const observed = [
      of('undecided', null),
      of('failed', null),
      of('stopped', 0.1, 1),
      of('stopped', 0.9, 3),
      of('finished', 5),
      ...Array.from({ length: 25 }, () => of('failed', null)),
    ];
    // 29 results: 3 of them count as good.
    const { good, bad } = divided(observed);
    expect(good.map(({ state, loss }) => [state, loss])).toEqual([
      ['stopped', 0.1],
      ['stopped', 0.9],
      ['finished', 5],
    ]);
    expect(bad).toHaveLength(27);
  });
});

const parameter: fc.Arbitrary<SearchParameter> = fc.oneof(
  fc
    .uniqueArray(fc.oneof(fc.integer(), fc.string(), fc.boolean()), { minLength: 1, maxLength: 4 })
    .map((values) => ({ kind: 'choice' as const, values })),
  fc
    .tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 7 }))
    .map(([low, range, step]) => ({ kind: 'int' as const, low, high: low + range, step })),
  fc
    .tuple(fc.double({ min: -5, max: 5, noNaN: true }), fc.double({ min: 0, max: 3, noNaN: true }))
    .map(([low, range]) => ({ kind: 'uniform' as const, low, high: low + range })),
  fc.tuple(fc.integer({ min: -4, max: 4 }), fc.integer({ min: 1, max: 8 })).map(([low, steps]) => ({
    kind: 'uniform' as const,
    low: low / 10,
    high: (low + steps) / 10,
    step: 0.1,
  })),
  fc
    .tuple(fc.double({ min: 1e-6, max: 1, noNaN: true }), fc.double({ min: 1, max: 1e4, noNaN: true }))
    .map(([low, factor]) => ({ kind: 'loguniform' as const, low, high: low * factor })),
);
const space = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), parameter, { minKeys: 1, maxKeys: 3 });

function isOf(parameterOf: SearchParameter, value: unknown): boolean {
  if (parameterOf.kind === 'choice') return parameterOf.values.some((each) => each === value);
  const { low, high } = parameterOf;
  if (typeof value !== 'number' || value < low || value > high + 1e-9) return false;
  const step = parameterOf.kind === 'loguniform' ? undefined : parameterOf.step;
  if (step === undefined) return true;
  const places = (value - low) / step;
  return Math.abs(places - Math.round(places)) < 1e-4;
}

/** A whole search of made-up results: those of one configuration are the same each time. */
function searched(search: SearchSpec, loss: (values: SearchValues) => number, stop = Infinity): Observed[] {
  const observed: Observed[] = [];
  while (observed.length < Math.min(search.trials ?? Infinity, stop)) {
    const values = nextValues(search, observed);
    if (values === null) break;
    observed.push({ values, state: 'finished', loss: loss(values), epochs: 0 });
  }
  return observed;
}

describe('any space', () => {
  it.each(['random', 'tpe'] as const)(
    '%s draws values of it, none twice, the same ones each time',
    (sampler) => {
      fc.assert(
        fc.property(space, fc.integer({ min: 0, max: 1000 }), (drawn, seed) => {
          const search = searchSpec.parse({ space: drawn, sampler, trials: 30, seed });
          const loss = (values: SearchValues) => randomFrom(JSON.stringify(values))();
          const observed = searched(search, loss);
          for (const { values } of observed) {
            expect(Object.keys(values)).toEqual(Object.keys(search.space));
            for (const [path, value] of Object.entries(values)) {
              const own = search.space[path];
              if (!own || !isOf(own, value)) throw new Error(`${path}: ${JSON.stringify([own, value])}`);
            }
          }
          const texts = observed.map(({ values }) => JSON.stringify(values));
          expect(new Set(texts).size).toBe(texts.length);
          // All of a small space are found. (Close ends of an uncounted range may have fewer readable numbers between.)
          const size = spaceSize(search.space);
          if (Number.isFinite(size)) expect(observed).toHaveLength(Math.min(30, size));
          expect(searched(search, loss)).toEqual(observed);
          // What is drawn next follows from what there is, wherever one stops and goes on.
          const half = observed.slice(0, Math.floor(observed.length / 2));
          expect(nextValues(search, half)).toEqual(observed[half.length]?.values ?? null);
        }),
        { numRuns: 40 },
      );
    },
  );

  it('a grid has each configuration once, in an order of its seed', () => {
    const grid = (seed: number) =>
      searchSpec.parse({
        space: {
          a: { kind: 'int', low: 1, high: 7, step: 3 },
          b: { kind: 'uniform', low: 0, high: 0.3, step: 0.1 },
          c: { kind: 'choice', values: [null, { name: 'sgd' }] },
        },
        sampler: 'grid',
        seed,
      });
    const all = searched(grid(0), () => 0);
    expect(all).toHaveLength(24);
    expect(new Set(all.map(({ values }) => JSON.stringify(values))).size).toBe(24);
    expect(all.map(({ values }) => values['b'])).toContain(0.3);
    expect(searched(grid(1), () => 0)).not.toEqual(all);
    expect(parameterSize({ kind: 'uniform', low: 0, high: 0.3, step: 0.1 })).toBe(4);
  });
});

/** Benchmark functions, each with its space: the loss at its values. */
const functions: Record<string, { space: object; loss: (values: SearchValues) => number }> = {
  'a sphere of four numbers': {
    space: Object.fromEntries(
      ['a', 'b', 'c', 'd'].map((name) => [name, { kind: 'uniform', low: -5, high: 5 }]),
    ),
    loss: (values) => Object.values(values).reduce<number>((sum, value) => sum + (Number(value) - 1) ** 2, 0),
  },
  'Branin (minimum 0.397887)': {
    space: { a: { kind: 'uniform', low: -5, high: 10 }, b: { kind: 'uniform', low: 0, high: 15 } },
    loss: (values) => {
      const [a, b] = [Number(values['a']), Number(values['b'])];
      const first = b - (5.1 / (4 * Math.PI ** 2)) * a * a + (5 / Math.PI) * a - 6;
      return first ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(a) + 10;
    },
  },
  'a learning rate, a choice and a whole number': {
    space: {
      lr: { kind: 'loguniform', low: 1e-5, high: 1 },
      optimizer: { kind: 'choice', values: ['sgd', 'adamw', 'other'] },
      width: { kind: 'int', low: 8, high: 256, step: 8 },
    },
    loss: (values) =>
      Math.abs(Math.log10(Number(values['lr'])) + 2.5) +
      (values['optimizer'] === 'adamw' ? 0 : 0.7) +
      Math.abs(Number(values['width']) - 160) / 80,
  },
};

describe('TPE', () => {
  it.each(Object.entries(functions))(
    'finds less than random does on %s, over seeds, by a sign test at level 0.001',
    (_, { space: own, loss }) => {
      const best = (sampler: 'random' | 'tpe', seed: number) =>
        Math.min(
          ...searched(searchSpec.parse({ space: own, sampler, trials: 60, seed }), loss).map(
            (each) => each.loss ?? NaN,
          ),
        );
      const seeds = Array.from({ length: 40 }, (_each, seed) => seed);
      const wins = seeds.filter((seed) => best('tpe', seed) < best('random', seed)).length;
      // P(at least 30 of 40 heads) = 0.0011; 31: 0.0003.
      expect(wins).toBeGreaterThanOrEqual(31);
    },
  );

  it('begins with the random draws, and draws apart what is drawn side by side', () => {
    const { space: own, loss } = functions['a sphere of four numbers'] as (typeof functions)[string];
    const of = (sampler: 'random' | 'tpe') => searchSpec.parse({ space: own, sampler, trials: 40, seed: 3 });
    const random = searched(of('random'), loss, 10);
    expect(searched(of('tpe'), loss, 10)).toEqual(random);
    const observed = searched(of('tpe'), loss, 30);
    const side: Observed[] = [...observed];
    for (let at = 0; at < 4; at += 1)
      side.push({ values: nextValues(of('tpe'), side) ?? {}, state: 'undecided', loss: null, epochs: 0 });
    expect(new Set(side.slice(30).map(({ values }) => JSON.stringify(values))).size).toBe(4);
  });
});
