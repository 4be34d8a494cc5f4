import { describe, expect, it } from '@jest/globals';
import { learningRate } from '../src/schedules/index.js';

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

  it('measures the cosine from the end of warm-up', () => {
    expect(curve('cosine', 2)[60]).toBeCloseTo(0.2, 12);
  });
});
