import { describe, expect, it } from '@jest/globals';
import { ascended, clipped, jointNorm } from '../src/optimizers/index.js';
import { read, scope, tensor } from '../src/tensor/index.js';

const gradients = { a: [3, 4], b: [1, -2] };
const tensors = (values: Record<string, number[]>) =>
  Object.fromEntries(
    Object.entries(values).map(([name, numbers]) => [
      name,
      tensor(Float32Array.from(numbers), [numbers.length], 'float32'),
    ]),
  );
const numbers = (values: ReturnType<typeof ascended>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Array.from(read(value))]));

// torch.nn.utils.clip_grad_norm_ of the same gradients, PyTorch 2.15.
describe('gradients scaled down together', () => {
  const at = (most: number) =>
    scope(() => {
      const given = tensors(gradients);
      const norm = jointNorm(given);
      return { norm: read(norm)[0], ...numbers(clipped(given, norm, most)) };
    });

  it('to a joint norm of 2', () => {
    const { norm, a, b } = at(2) as { norm: number; a: number[]; b: number[] };
    expect(norm).toBeCloseTo(5.4772, 4);
    [1.0954449, 1.4605932].forEach((value, index) => expect(a[index]).toBeCloseTo(value, 6));
    [0.3651483, -0.7302966].forEach((value, index) => expect(b[index]).toBeCloseTo(value, 6));
  });

  it('not where they are small enough', () => {
    expect(at(20)).toMatchObject(gradients);
  });
});

it('sharpness-aware minimisation goes rho up the joint gradient', () => {
  const found = scope(() =>
    numbers(ascended(tensors({ a: [0, 1], b: [10, 10] }), tensors({ a: [3, 0], b: [0, 4] }), 0.5)),
  );
  [0.3, 1].forEach((value, index) => expect(found['a']?.[index]).toBeCloseTo(value, 6));
  [10, 10.4].forEach((value, index) => expect(found['b']?.[index]).toBeCloseTo(value, 5));
});
