import { describe, expect, it } from '@jest/globals';
import { permutation, randomStream } from '../src/random/index.js';
import { DataOrder } from '../src/train/data-order.js';

describe('randomStream', () => {
  it('depends on seed and name only', () => {
    const draw = (seed: number, name: string) => Array.from({ length: 4 }, randomStream(seed, name).uniform);
    expect(draw(1, 'a')).toEqual(draw(1, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(2, 'a'));
    expect(draw(1, 'a')).not.toEqual(draw(1, 'b'));
  });

  it('keeps its numbers from version to version', () => {
    const stream = randomStream(42, 'order/0');
    expect(Array.from({ length: 4 }, () => stream.below(1000))).toEqual([374, 65, 922, 726]);
  });

  it('has the moments of its distributions', () => {
    const stream = randomStream(3, 'moments');
    const count = 20_000;
    const moments = (draw: () => number) => {
      const values = Array.from({ length: count }, draw);
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count };
    };
    const normal = moments(stream.normal);
    expect(normal.mean).toBeCloseTo(0, 1);
    expect(normal.variance).toBeCloseTo(1, 1);
    const uniform = moments(stream.uniform);
    expect(uniform.mean).toBeCloseTo(1 / 2, 1);
    expect(uniform.variance).toBeCloseTo(1 / 12, 2);
  });
});

describe('permutation', () => {
  it('holds every index once, in another order', () => {
    const order = permutation(randomStream(0, 'x'), 100);
    expect(Array.from(order).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(Array.from(order)).not.toEqual(Array.from({ length: 100 }, (_, index) => index));
  });
});

describe('DataOrder', () => {
  it('shows every image at most once an epoch and leaves out the partial batch', () => {
    const order = new DataOrder(23, 5, 9);
    expect(order.stepsPerEpoch).toBe(4);
    for (const epoch of [0, 1]) {
      const seen = [0, 1, 2, 3].flatMap((step) => Array.from(order.indices(epoch * 4 + step)));
      expect(new Set(seen).size).toBe(20);
    }
  });

  it('orders every epoch anew', () => {
    const order = new DataOrder(20, 5, 9);
    expect(order.indices(0)).not.toEqual(order.indices(4));
  });

  it('gives any step its batch without having been through the steps before', () => {
    const through = new DataOrder(50, 5, 1);
    for (let step = 0; step < 27; step++) through.indices(step);
    expect(new DataOrder(50, 5, 1).indices(27)).toEqual(through.indices(27));
  });
});
