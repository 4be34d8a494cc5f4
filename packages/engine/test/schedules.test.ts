import { describe, expect, it } from '@jest/globals';
import { learningRate, Plateau, savedPlateau } from '../src/schedules/index.js';

const length = { steps: 100, stepsPerEpoch: 10 };
const curve = (name: 'constant' | 'cosine', warmup: number) =>
  Array.from({ length: 100 }, (_, step) => learningRate({ name, warmup }, 0.4, step, length));

describe('learningRate', () => {
  it('rises linearly to the base rate during warm-up, step by step', () => {
    const rates = curve('constant', 2);
    expect(rates[0]).toBeCloseTo(0.4 / 20, 12);
    expect(rates[9]).toBeCloseTo(0.2, 12);
    expect(rates[19]).toBeCloseTo(0.4, 12);
    expect(rates.slice(20).every((rate) => rate === 0.4)).toBe(true);
  });

  it('takes fractions of an epoch as warm-up', () => {
    expect(curve('constant', 0.5)[4]).toBeCloseTo(0.4, 12);
    expect(curve('constant', 0.5)[3]).toBeCloseTo(0.32, 12);
  });

  it('falls along a half cosine after warm-up', () => {
    const rates = curve('cosine', 0);
    expect(rates[0]).toBe(0.4);
    expect(rates[50]).toBeCloseTo(0.2, 12);
    expect(rates[25]).toBeCloseTo(0.2 * (1 + Math.SQRT1_2), 12);
    expect(rates[99]).toBeCloseTo(0.2 * (1 + Math.cos(Math.PI * 0.99)), 12);
  });

  it('falls by a factor every so many epochs, counted from the first update', () => {
    const step = (at: number) =>
      learningRate({ name: 'step', warmup: 1, every: 2.5, factor: 0.1 }, 0.4, at, length);
    expect(step(4)).toBeCloseTo(0.2, 12);
    expect(step(24)).toBe(0.4);
    expect(step(25)).toBeCloseTo(0.04, 12);
    expect(step(49)).toBeCloseTo(0.04, 12);
    expect(step(99)).toBeCloseTo(0.0004, 12);
  });

  // torch.optim.lr_scheduler.OneCycleLR(max_lr=0.4, cycle_momentum=False), PyTorch 2.15.
  it.each([
    [
      100,
      0.3,
      25,
      1e4,
      { 0: 0.016, 10: 0.11806557938564, 29: 0.4, 30: 0.3997986141138, 60: 0.2357120362141, 99: 1.6e-6 },
    ],
    [7, 0.25, 10, 100, { 0: 0.04, 1: 0.39776839907978, 2: 0.34666376399158, 4: 0.12720486333159, 6: 0.0004 }],
  ])('is one cycle of %i updates as PyTorch has it', (steps, rise, startDivisor, endDivisor, expected) => {
    for (const [step, rate] of Object.entries(expected)) {
      const spec = { name: 'one-cycle', rise, startDivisor, endDivisor } as const;
      const found = learningRate(spec, 0.4, Number(step), { steps, stepsPerEpoch: 10 });
      expect(found).toBeCloseTo(rate, 9);
    }
  });

  it('measures the cosine from the end of warm-up', () => {
    expect(curve('cosine', 2)[60]).toBeCloseTo(0.2, 12);
  });
});

// torch.optim.lr_scheduler.ReduceLROnPlateau of a rate of 1, PyTorch 2.15.
describe('Plateau', () => {
  const factors = (plateau: Plateau, values: number[]) =>
    values.map((value) => {
      plateau.observe(value);
      return plateau.factor;
    });
  const rising = { name: 'plateau', warmup: 0, factor: 0.5, patience: 2, threshold: 0.01 } as const;
  const values = [
    0.1, 0.2, 0.201, 0.2015, 0.1, 0.3, 0.29, 0.3, 0.301, 0.3, 0.2, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5,
  ];
  const expected = [
    1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125, 0.0625, 0.0625,
  ];

  it('halves the rate after three epochs without a value better by a hundredth', () => {
    expect(factors(new Plateau(rising, true), values)).toEqual(expected);
  });

  it('watches a metric that falls', () => {
    const falling = { name: 'plateau', warmup: 0, factor: 0.1, patience: 0, threshold: 1e-4 } as const;
    const found = factors(new Plateau(falling, false), [2, 1.9, 1.9, 1.8999, 1.8997, 1.5, 1.6]);
    [1, 1, 0.1, 0.01, 0.01, 0.01, 0.001].forEach((factor, at) => expect(found[at]).toBeCloseTo(factor, 12));
  });

  it.each(values.map((_, at) => at))('goes on from what was saved after epoch %d', (at) => {
    const first = new Plateau(rising, true);
    const before = factors(first, values.slice(0, at));
    const second = new Plateau(rising, true);
    second.restore(savedPlateau.parse(JSON.parse(JSON.stringify(first.save()))));
    expect([...before, ...factors(second, values.slice(at))]).toEqual(expected);
  });

  it('leaves the rate to its factor after warm-up', () => {
    const rate = (step: number) => learningRate({ ...rising, warmup: 1 }, 0.4, step, length);
    expect(rate(4)).toBeCloseTo(0.2, 12);
    expect([rate(10), rate(99)]).toEqual([0.4, 0.4]);
  });
});
