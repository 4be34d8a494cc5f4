import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { adamw, sgd, type Optimizer } from '../src/optimizers/index.js';
import { read, scope, tensor } from '../src/tensor/index.js';

interface Fixture {
  start: number[];
  rates: number[];
  gradients: number[][];
  cases: Record<string, { options: Record<string, number | boolean | number[]>; path: number[][] }>;
}

const fixture = JSON.parse(
  readFileSync(new URL('../fixtures/optimizers.json', import.meta.url), 'utf8'),
) as Fixture;

const optimizers: Record<string, Optimizer> = {
  sgd: sgd({ momentum: 0, nesterov: false, weightDecay: 0 }),
  'sgd weight decay': sgd({ momentum: 0, nesterov: false, weightDecay: 0.01 }),
  'sgd momentum': sgd({ momentum: 0.9, nesterov: false, weightDecay: 0.01 }),
  'sgd nesterov': sgd({ momentum: 0.9, nesterov: true, weightDecay: 0.01 }),
  adamw: adamw({ betas: [0.9, 0.99], epsilon: 1e-8, weightDecay: 0.05 }),
  'adamw large epsilon': adamw({ betas: [0.8, 0.95], epsilon: 1e-2, weightDecay: 0 }),
};

/** The parameter after each update. */
function path(optimizer: Optimizer): number[][] {
  const shape = [fixture.start.length];
  const floats = (values: readonly number[]) => tensor(Float32Array.from(values), shape, 'float32');
  const one = (value: number) => tensor(Float32Array.of(value), [], 'float32');
  return scope(() => {
    let parameter = floats(fixture.start);
    let slots = Object.fromEntries(optimizer.slots.map((slot) => [slot, floats(fixture.start.map(() => 0))]));
    const [beta1, beta2] = optimizer.betas ?? [0, 0];
    return fixture.rates.map((rate, step) => {
      const update = optimizer.update(parameter, floats(fixture.gradients[step] ?? []), slots, {
        learningRate: one(rate),
        corrections: [one(1 - beta1 ** (step + 1)), one(1 - beta2 ** (step + 1))],
      });
      parameter = update.parameter;
      slots = { ...update.slots };
      return Array.from(read(parameter));
    });
  });
}

describe.each(Object.entries(fixture.cases))('%s', (name, { path: expected }) => {
  it('follows torch.optim under a changing rate', () => {
    const optimizer = optimizers[name];
    if (!optimizer) throw new Error(`no optimizer for the fixture ${name}`);
    const actual = path(optimizer);
    expect(actual).toHaveLength(expected.length);
    actual.forEach((values, step) =>
      values.forEach((value, index) => expect(value).toBeCloseTo(expected[step]?.[index] ?? Number.NaN, 5)),
    );
  });
});
