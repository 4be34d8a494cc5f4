import { describe, expect, it } from '@jest/globals';
import { augment } from '../src/augment/index.js';
import { read, scope, tensor } from '../src/tensor/index.js';

const size = 8;
const pixels = (count: number) =>
  Float32Array.from({ length: count * size * size }, (_, index) => (index * 7919) % 251);
const none = { flip: 0, shift: 0, rotation: 0, scale: [1, 1] as [number, number] };

function augmented(options: Partial<typeof none>, key: number, count = 32): Float32Array {
  return scope(() => {
    const images = tensor(pixels(count), [count, size, size, 1], 'float32');
    const result = augment(images, tensor(Int32Array.of(5, key), [2], 'int32'), { ...none, ...options });
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
      return Float32Array.from(read(augment(images, key, { ...none, shift: 3 })));
    });
    expect(image(same, 0)).not.toEqual(image(same, 1));
  });

  it('keeps to the range of the pixels and reflects at the border', () => {
    const result = scope(() => {
      const flat = new Float32Array(16 * size * size).fill(7);
      const key = tensor(Int32Array.of(5, 2), [2], 'int32');
      const options = { flip: 0.5, shift: 4, rotation: 90, scale: [0.5, 2] as [number, number] };
      return read(augment(tensor(flat, [16, size, size, 1], 'float32'), key, options));
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
      return read(augment(images, key, { flip: 0, shift: 0, rotation: 45, scale: [0.8, 1.2] }));
    });
    expect(result[4 * odd + 4]).toBeCloseTo(1, 4);
  });
});
