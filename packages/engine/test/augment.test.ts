import { augmentDetail, type AugmentDetail } from '@ferment/contracts';
import { describe, expect, it } from '@jest/globals';
import { augment } from '../src/augment/index.js';
import { randomAmounts } from '../src/augment/rand-augment.js';
import { read, scope, tensor } from '../src/tensor/index.js';

const size = 8;
const pixels = (count: number) =>
  Float32Array.from({ length: count * size * size }, (_, index) => (index * 7919) % 251);
const none = augmentDetail.parse({});
const fill = 100;

function augmented(options: Partial<AugmentDetail>, key: number, count = 32): Float32Array {
  return scope(() => {
    const images = tensor(pixels(count), [count, size, size, 1], 'float32');
    const result = augment(
      images,
      tensor(Int32Array.of(5, key), [2], 'int32'),
      { ...none, ...options },
      fill,
    );
    return Float32Array.from(read(result));
  });
}

const image = (data: Float32Array, index: number) =>
  Array.from(data.subarray(index * size * size, (index + 1) * size * size));
const mirrored = (values: number[]) =>
  values.map((_, at) => values[at - (at % size) + (size - 1 - (at % size))] ?? Number.NaN);

describe('augment', () => {
  it('leaves the pictures alone when nothing is asked for', () => {
    expect(augmented({}, 0)).toEqual(pixels(32));
  });

  it('flips every picture exactly with probability 1', () => {
    const result = augmented({ flip: 1 }, 0);
    for (let index = 0; index < 32; index++)
      expect(image(result, index)).toEqual(mirrored(image(pixels(32), index)));
  });

  it('flips about half of the pictures with probability 1/2, each exactly or not at all', () => {
    const count = 400;
    const result = augmented({ flip: 0.5 }, 1, count);
    let flipped = 0;
    for (let index = 0; index < count; index++) {
      const original = image(pixels(count), index);
      const isFlipped = image(result, index).join() === mirrored(original).join();
      if (!isFlipped) expect(image(result, index)).toEqual(original);
      flipped += isFlipped ? 1 : 0;
    }
    // Four standard deviations around the mean of a fair coin.
    expect(Math.abs(flipped - count / 2)).toBeLessThan(40);
  });

  it('draws the same for the same key and other things for another', () => {
    const options = { flip: 0.5, shift: 2, rotation: 15, scale: [0.9, 1.1] as [number, number] };
    expect(augmented(options, 3)).toEqual(augmented(options, 3));
    expect(augmented(options, 3)).not.toEqual(augmented(options, 4));
  });

  it('treats every picture on its own', () => {
    const same = scope(() => {
      const one = pixels(1);
      const images = tensor(Float32Array.from([...one, ...one]), [2, size, size, 1], 'float32');
      const key = tensor(Int32Array.of(5, 2), [2], 'int32');
      return Float32Array.from(read(augment(images, key, { ...none, shift: 3 }, fill)));
    });
    expect(image(same, 0)).not.toEqual(image(same, 1));
  });

  it('keeps to the range of the pixels and reflects at the border', () => {
    const result = scope(() => {
      const flat = new Float32Array(16 * size * size).fill(7);
      const key = tensor(Int32Array.of(5, 2), [2], 'int32');
      const options = augmentDetail.parse({ flip: 0.5, shift: 4, rotation: 90, scale: [0.5, 2] });
      return read(augment(tensor(flat, [16, size, size, 1], 'float32'), key, options, fill));
    });
    for (const value of result) expect(value).toBeCloseTo(7, 4);
  });

  it('leaves the centre in its place under rotation and scale', () => {
    const odd = 9;
    const dot = new Float32Array(odd * odd);
    dot[4 * odd + 4] = 1;
    const result = scope(() => {
      const key = tensor(Int32Array.of(1, 2), [2], 'int32');
      const images = tensor(dot, [1, odd, odd, 1], 'float32');
      return read(augment(images, key, { ...none, rotation: 45, scale: [0.8, 1.2] }, fill));
    });
    expect(result[4 * odd + 4]).toBeCloseTo(1, 4);
  });
});

describe('brightness, contrast and cutout', () => {
  it('brightness multiplies each picture by a factor of its own within the bounds', () => {
    const result = augmented({ brightness: 0.25 }, 6);
    const factors = Array.from({ length: 32 }, (_, index) => {
      const [before, after] = [image(pixels(32), index), image(result, index)];
      const at = before.findIndex((value) => value > 50 && value < 150);
      const factor = (after[at] ?? 0) / (before[at] ?? 1);
      before.forEach((value, place) =>
        expect(after[place]).toBeCloseTo(Math.min(255, Math.fround(value * factor)), 3),
      );
      return factor;
    });
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(0.75);
    expect(Math.max(...factors)).toBeLessThanOrEqual(1.25);
    expect(new Set(factors).size).toBeGreaterThan(16);
  });

  it('contrast moves every pixel towards the mean of the picture, or away', () => {
    const gray = new Float32Array(size * size).map((_, at) => 100 + (at % 11));
    const mean = gray.reduce((sum, value) => sum + value, 0) / gray.length;
    const result = scope(() => {
      const key = tensor(Int32Array.of(9, 9), [2], 'int32');
      const images = tensor(gray, [1, size, size, 1], 'float32');
      return Float32Array.from(read(augment(images, key, { ...none, contrast: 0.5 }, fill)));
    });
    const factor = ((result[0] ?? 0) - mean) / ((gray[0] ?? 0) - mean);
    expect(Math.abs(factor - 1)).toBeLessThanOrEqual(0.5);
    result.forEach((value, at) => expect(value).toBeCloseTo(mean + factor * ((gray[at] ?? 0) - mean), 3));
  });

  it('cutout fills one square, which may reach over the border', () => {
    const side = 4;
    const result = augmented({ cutout: side }, 2);
    let whole = 0;
    for (let index = 0; index < 32; index++) {
      const [before, after] = [image(pixels(32), index), image(result, index)];
      const cut = after.flatMap((value, at) => (value === fill && before[at] !== fill ? [at] : []));
      after.forEach((value, at) => expect([before[at], fill]).toContain(value));
      const [rows, columns] = [cut.map((at) => Math.floor(at / size)), cut.map((at) => at % size)];
      const spread = (places: number[]) => Math.max(...places) - Math.min(...places) + 1;
      expect(cut.length).toBeGreaterThanOrEqual(1);
      expect(Math.max(spread(rows), spread(columns))).toBeLessThanOrEqual(side);
      whole += cut.length >= side * side - 1 ? 1 : 0;
    }
    // A centre is at least half a side away from every border with probability 1/4.
    expect(whole).toBeGreaterThan(0);
  });
});

describe('RandAugment', () => {
  const amounts = (operations: number, magnitude: number, batch = 4000) =>
    scope(() => {
      const key = tensor(Int32Array.of(1, 1), [2], 'int32');
      const drawn = randomAmounts(key, batch, { operations, magnitude });
      return Object.fromEntries(
        Object.entries(drawn).map(([name, amount]) => [name, Array.from(read(amount))] as const),
      );
    });

  it('gives every picture one operation, each equally often, in either direction', () => {
    const drawn = amounts(1, 10);
    const ranges: Record<string, number> = {
      ...{ rotate: Math.PI / 6, shearX: 0.3, shearY: 0.3, translateX: 0.225, translateY: 0.225 },
      ...{ brightness: 0.5, contrast: 0.5 },
    };
    const used = Array.from({ length: 4000 }, () => 0);
    for (const [name, range] of Object.entries(ranges)) {
      const values = drawn[name] ?? [];
      values.forEach((value, image) => {
        if (value !== 0) used[image] = (used[image] ?? 0) + 1;
        expect([0, Math.fround(range), Math.fround(-range)]).toContainEqual(
          expect.closeTo(value, 5) as unknown as number,
        );
      });
      const [up, down] = [values.filter((value) => value > 0), values.filter((value) => value < 0)];
      // 250 each, of a binomial with deviation 15.3.
      expect(Math.abs(up.length - 250)).toBeLessThan(70);
      expect(Math.abs(down.length - 250)).toBeLessThan(70);
    }
    expect(Math.max(...used)).toBe(1);
  });

  it('adds up an operation that is drawn twice, and does nothing at magnitude 0', () => {
    const twice = amounts(8, 5);
    const most = Math.max(...(twice['rotate'] ?? []).map(Math.abs));
    expect(most).toBeGreaterThan((Math.PI / 12) * 1.5);
    const still = amounts(3, 0);
    expect(
      Object.values(still)
        .flat()
        .every((value) => value === 0),
    ).toBe(true);
  });

  it('moves pictures by what was drawn: a rotation is that of the affine transform', () => {
    const rotated = augmented({ randAugment: { operations: 1, magnitude: 10 } }, 3, 64);
    const same = Array.from({ length: 64 }, (_, index) => index).filter(
      (index) => image(rotated, index).join() === image(pixels(64), index).join(),
    );
    // The identity is one of eight.
    expect(same.length).toBeGreaterThanOrEqual(1);
    expect(same.length).toBeLessThan(32);
  });
});
