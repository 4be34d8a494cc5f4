import { describe, expect, it } from '@jest/globals';
import { experimentSpec, withoutDefaults, type ExperimentSpec } from '@ferment/contracts';
import fc from 'fast-check';
import { plan, resolveSpec } from '../src/index.js';
import { known, parsed } from './support.js';

const model = fc.oneof(
  fc.record({ name: fc.constant('vgg'), width: fc.constantFrom(0.5, 1) }),
  fc.record({ name: fc.constant('resnet18'), stem: fc.constantFrom('small', 'imagenet') }),
);
const train = fc.record({
  epochs: fc.integer({ min: 1, max: 5 }),
  batch: fc.constantFrom(64, 128),
  optimizer: fc.constantFrom<object>({ name: 'sgd' }, { name: 'sgd', lr: 0.1 }, { name: 'adamw' }),
  augment: fc.constantFrom<unknown>('none', 'standard', { flip: 0.5 }),
});
const seed = fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined });

/** Specs whose stages read only stages before them; the last one is the result. */
const spec: fc.Arbitrary<ExperimentSpec> = fc
  .array(
    fc.record({
      model,
      train,
      seed,
      reads: fc.array(fc.nat(5), { maxLength: 3 }),
      temperature: fc.constantFrom(2, 4),
    }),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .chain((drawn) =>
    fc.record({
      stages: fc.constant(drawn),
      seeds: fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 3 }),
      factorial: fc.boolean(),
    }),
  )
  .map(({ stages, seeds, factorial }) => {
    const entries = stages.map(({ reads, temperature, ...stage }, index) => {
      const teachers = [...new Set(reads.filter((read) => read < index))].map((read) => `s${read}`);
      const own = { ...stage, ...(stage.seed === undefined ? {} : { seed: stage.seed }) };
      const value =
        teachers.length > 0
          ? { ...own, kind: 'distill', teachers, method: { name: 'kd', temperature } }
          : { ...own, kind: 'train' };
      return [`s${index}`, value] as const;
    });
    const last = `s${stages.length - 1}`;
    return experimentSpec.parse({
      specVersion: 1,
      name: 'drawn',
      data: { dataset: 'fer2013' },
      stages: Object.fromEntries(entries),
      result: last,
      seeds,
      ablation: {
        design: factorial ? 'full-factorial' : 'one-at-a-time',
        factors: {
          smoothing: { on: { [`stages.${last}.train.labelSmoothing`]: 0.1 } },
          first: {
            short: { 'stages.s0.train.batch': 32 },
            alone: { 'stages.s0.model': { name: 'vgg', width: 0.25 } },
          },
        },
      },
    });
  });

const planOf = (value: unknown) => {
  const { spec: pinned, problems } = resolveSpec(parsed(JSON.stringify(value)), known);
  expect(problems).toEqual([]);
  return plan(pinned, known);
};

/** Keys of a plan's jobs by trial and role: what must not depend on how a spec is written down. */
const keysOf = (value: unknown) =>
  planOf(value)
    .trials.map(({ variant, seed: own, jobs }) => ({ variant, seed: own, jobs }))
    .toSorted((a, b) => a.variant.localeCompare(b.variant) || a.seed - b.seed);

/** The value with the keys of every object in another order. */
function shuffled(value: unknown, random: () => number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, random));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(
    ([key, item]: [string, unknown]) => [random(), key, shuffled(item, random)] as const,
  );
  return Object.fromEntries(entries.toSorted((a, b) => a[0] - b[0]).map(([, key, item]) => [key, item]));
}

/** The complete value with some of its defaults left out. */
function between(complete: unknown, minimal: unknown, keep: () => boolean): unknown {
  if (typeof complete !== 'object' || complete === null || Array.isArray(complete)) return complete;
  const bare = (minimal ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(complete)
      .filter(([key]) => Object.hasOwn(bare, key) || keep())
      // What is a default as a whole is written whole: parts of it may have defaults of their own.
      .map(([key, item]) => [key, Object.hasOwn(bare, key) ? between(item, bare[key], keep) : item]),
  );
}

/** A stream of numbers in [0, 1) from a seed (mulberry32). */
function stream(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const runs = { numRuns: 60 };

describe('whatever the spec', () => {
  it('the order of its keys changes no key of a job', () => {
    fc.assert(
      fc.property(spec, fc.nat(), (drawn, start) => {
        // Teachers are in order; so are the levels of a factorial in a cell's name: only objects inside are turned.
        const { ablation, ...rest } = drawn;
        const turned = { ...(shuffled(rest, stream(start)) as object), ablation };
        expect(keysOf(turned)).toEqual(keysOf(drawn));
      }),
      runs,
    );
  });

  it('a default written out and one left out give the same keys', () => {
    fc.assert(
      fc.property(spec, fc.nat(), (drawn, start) => {
        const random = stream(start);
        const minimal = withoutDefaults(experimentSpec, drawn);
        expect(experimentSpec.parse(minimal)).toEqual(drawn);
        expect(keysOf(minimal)).toEqual(keysOf(drawn));
        expect(keysOf(between(drawn, minimal, () => random() < 0.5))).toEqual(keysOf(drawn));
      }),
      runs,
    );
  });

  it('jobs stand behind their inputs, each once, each wanted by a trial', () => {
    fc.assert(
      fc.property(spec, (drawn) => {
        const made = planOf(drawn);
        const seen = new Set<string>();
        for (const job of made.jobs) {
          for (const input of job.inputs) expect(seen).toContain(input.from);
          expect(seen).not.toContain(job.key);
          seen.add(job.key);
        }
        expect(new Set(made.trials.flatMap(({ jobs }) => Object.values(jobs)))).toEqual(seen);
        expect(made.trials).toHaveLength(made.variants.length * drawn.seeds.length);
      }),
      runs,
    );
  });

  it('fixed stages are the same job for every seed of a variant, and other stages another one', () => {
    fc.assert(
      fc.property(spec, (drawn) => {
        const made = planOf(drawn);
        for (const { name, spec: own } of made.variants) {
          const trials = made.trials.filter(({ variant }) => variant === name);
          for (const stage of Object.keys(own.stages)) {
            const keys = trials.flatMap(({ jobs }) => jobs[stage] ?? []);
            if (keys.length === 0) continue;
            const fixed = made.fixedStages.includes(stage);
            expect(new Set(keys).size).toBe(fixed ? 1 : drawn.seeds.length);
          }
        }
      }),
      runs,
    );
  });
});
