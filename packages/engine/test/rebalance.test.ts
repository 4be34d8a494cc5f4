import { describe, expect, it } from '@jest/globals';
import {
  balancedWeights,
  classification,
  effectiveNumberWeights,
  logitOffsets,
  rebalanceValues,
} from '../src/tasks/index.js';
import { balanced, DataOrder } from '../src/train/data-order.js';
import { read, scope, tensor } from '../src/tensor/index.js';

// FER2013's training images.
const counts = [3995, 436, 4097, 7215, 4830, 3171, 4965];

describe('class weights', () => {
  it('by effective number are those of FER2013', () => {
    const known = [0.528, 4.077, 0.517, 0.338, 0.454, 0.64, 0.444];
    const found = effectiveNumberWeights(counts, 0.9999);
    found.forEach((weight, label) => expect(weight).toBeCloseTo(known[label] ?? 0, 3));
    expect(found.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(7, 12);
  });

  it('N / (C n_c) give every class the same whole weight', () => {
    balancedWeights(counts).forEach((weight, label) =>
      expect(weight * (counts[label] ?? 0)).toBeCloseTo(28709 / 7, 8),
    );
    expect(balancedWeights([2, 0])).toEqual([0.5, 0]);
  });
});

describe('a rebalanced loss', () => {
  const labels = Int32Array.from([0, 0, 0, 1]);
  const logits = [
    [1, 2],
    [0.5, -1],
    [0, 0],
    [3, 1],
  ];
  const lossOf = (rebalance: Parameters<typeof classification>[0]['rebalance']) =>
    scope(() => {
      const { loss, tables } = classification({ classes: 2, labelSmoothing: 0, rebalance });
      const values = rebalanceValues(rebalance, labels, 2);
      expect(Object.keys(values)).toEqual(Object.keys(tables));
      const table = Object.fromEntries(
        Object.entries(values).map(([name, data]) => [name, tensor(data, [2], 'float32')]),
      );
      const rows = tensor(Float32Array.from(logits.flat()), [4, 2], 'float32');
      const ids = tensor(labels, [4], 'int32');
      const batch = { images: rows, labels: ids, updateLabels: ids, indices: ids };
      return read(loss(rows, { batch, tables: table, inputs: {} }))[0];
    });
  const errors = (offsets: readonly number[]) =>
    logits.map((row, image) => {
      const moved = row.map((logit, label) => logit + (offsets[label] ?? 0));
      const sum = moved.reduce((total, logit) => total + Math.exp(logit), 0);
      return Math.log(sum) - (moved[labels[image] ?? 0] ?? 0);
    });

  it('with weights is the weighted mean, as torch has it', () => {
    const weights = [4 / (2 * 3), 4 / 2];
    const each = Array.from(labels, (label) => weights[label] ?? 0);
    const sum = errors([0, 0]).reduce((total, error, image) => total + error * (each[image] ?? 0), 0);
    const expected = sum / each.reduce((total, weight) => total + weight, 0);
    expect(lossOf({ method: 'class-weights' })).toBeCloseTo(expected, 6);
  });

  it('with adjusted logits adds tau log prior', () => {
    const offsets = [2 * Math.log(3 / 4), 2 * Math.log(1 / 4)];
    expect(logitOffsets([3, 1], 2)).toEqual(offsets);
    const expected = errors(offsets).reduce((total, error) => total + error, 0) / 4;
    expect(lossOf({ method: 'logit-adjustment', tau: 2 })).toBeCloseTo(expected, 6);
  });

  it('of a balanced sampler is the plain one', () => {
    expect(lossOf({ method: 'balanced-sampler' })).toBe(lossOf(null));
  });
});

describe('a balanced sampler', () => {
  // 61 of class 0, 20 of class 1, 3 of class 4.
  const labels = Int32Array.from({ length: 84 }, (_, image) => (image < 61 ? 0 : image < 81 ? 1 : 4));
  const epoch = (seed: number, number: number) => {
    const order = new DataOrder(84, 21, seed, balanced(labels));
    return Array.from({ length: 4 }, (_, step) => Array.from(order.indices(number * 4 + step))).flat();
  };

  it('shows every class equally often, images of a small class in turn', () => {
    const images = epoch(1, 0);
    const shown = new Map<number, number>();
    for (const image of images) shown.set(image, (shown.get(image) ?? 0) + 1);
    for (const label of [0, 1, 4]) expect(images.filter((image) => labels[image] === label)).toHaveLength(28);
    for (const [image, times] of shown) {
      if (labels[image] === 0) expect(times).toBe(1);
      if (labels[image] === 1) expect([1, 2]).toContain(times);
      if (labels[image] === 4) expect([9, 10]).toContain(times);
    }
    // Mixed, not class by class.
    expect(new Set(images.slice(0, 21).map((image) => labels[image])).size).toBe(3);
  });

  it('follows from the seed, and shows other images in another epoch', () => {
    expect(epoch(1, 3)).toEqual(epoch(1, 3));
    expect(epoch(1, 0)).not.toEqual(epoch(2, 0));
    expect(new Set(epoch(1, 0))).not.toEqual(new Set(epoch(1, 1)));
    const order = new DataOrder(84, 21, 1, balanced(labels));
    expect(Array.from(order.indices(9))).toEqual(epoch(1, 2).slice(21, 42));
  });
});
