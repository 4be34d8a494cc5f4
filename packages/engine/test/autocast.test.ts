import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  add,
  autocast,
  batchMatMul,
  biasAdd,
  cast,
  concatenate,
  conv2d,
  exp,
  gelu,
  layerNorm,
  matMul,
  mean,
  multiply,
  oneHot,
  read,
  relu,
  reshape,
  scope,
  softmaxCrossEntropy,
  sum,
  tensor,
  transpose,
  valueAndGradients,
  type Tensor,
} from '../src/tensor/index.js';
import { roundsOnce } from './support/low-precision.js';

const vector = (...values: number[]) => tensor(Float32Array.from(values), [values.length], 'float32');
const wave = (shape: readonly number[], phase: number) =>
  tensor(
    Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, at) =>
      Math.sin(1 + phase + 0.37 * at),
    ),
    shape,
    'float32',
  );
const numbers = (x: Tensor) => Array.from(read(x));

/** |a - b| / |b| in the L2 norm. */
function distance(a: readonly number[], b: readonly number[]): number {
  const norm = (values: readonly number[]) => Math.hypot(...values);
  return norm(a.map((value, at) => value - (b[at] ?? Number.NaN))) / norm(b);
}

describe('values of 16 bits', () => {
  it.each([
    // 8 significant bits, ties to even: 1 + 2^-8 lies between 1 and 1 + 2^-7.
    ['bfloat16', [1 + 2 ** -8, 1 + 3 * 2 ** -8, 65_536, 2 ** -40], [1, 1 + 2 ** -6, 65_536, 2 ** -40]],
    // 11 significant bits; at most 65,504, at least 2^-24.
    ['float16', [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65_536, 2 ** -26], [1, 1 + 2 ** -9, Infinity, 0]],
  ] as const)('%s rounds as IEEE has it', (type, given, rounded) => {
    expect(scope(() => numbers(cast(vector(...given), type)))).toEqual(rounded);
  });

  it('carry gradients back, rounded, as float32', () => {
    scope(() => {
      const x = vector(1, 2);
      const { gradients } = valueAndGradients({ x }, () => {
        const low = cast(x, 'bfloat16');
        return { loss: sum(multiply(cast(low, 'float32'), vector(1 + 2 ** -8, 3))) };
      });
      expect(gradients['x']?.dtype).toBe('float32');
      expect(numbers(gradients['x'] ?? x)).toEqual([1, 3]);
    });
  });
});

describe.each(['bfloat16', 'float16'] as const)('autocast to %s', (type) => {
  const a = () => wave([3, 4], 0);
  const b = () => wave([4, 2], 1);
  const map = () => wave([2, 4, 4, 3], 0);

  it('computes products in it, of rounded factors', () => {
    scope(() => {
      const inLow = autocast(type, () => matMul(a(), b()));
      expect(inLow.dtype).toBe(type);
      const rounded = (x: Tensor) => cast(cast(x, type), 'float32');
      const magnitude = (x: Tensor) => tensor(read(rounded(x)).map(Math.abs), x.shape, 'float32');
      const expected = numbers(matMul(rounded(a()), rounded(b())));
      // Rounded once, the error is a part of the result; term by term, of what the four terms add up to in size.
      const sizes = roundsOnce ? expected.map(Math.abs) : numbers(matMul(magnitude(a()), magnitude(b())));
      const step = (type === 'bfloat16' ? 2 ** -8 : 2 ** -11) * (roundsOnce ? 1 : 2);
      numbers(inLow).forEach((value, at) =>
        expect(Math.abs(value - (expected[at] ?? 0))).toBeLessThanOrEqual(step * (sizes[at] ?? 0) + 1e-6),
      );
      expect(numbers(inLow)).not.toEqual(numbers(matMul(a(), b())));
    });
  });

  it('keeps what a product gives as it is where PyTorch does, and is float32 where PyTorch is', () => {
    scope(() =>
      autocast(type, () => {
        const maps = conv2d(map(), wave([3, 3, 3, 4], 1), { stride: 1, padding: 1 });
        const kept = [
          maps,
          relu(biasAdd(maps, wave([4], 2))),
          multiply(maps, 2),
          transpose(maps, [0, 3, 1, 2]),
        ];
        expect(kept.map(({ dtype }) => dtype)).toEqual(kept.map(() => type));
        const rows = reshape(maps, [32, 4]);
        const full = [
          exp(rows),
          sum(rows, [0]),
          mean(maps, [1, 2]),
          layerNorm(rows, wave([4], 1), wave([4], 2), 1e-6),
          gelu(rows),
          softmaxCrossEntropy(rows, wave([32, 4], 0)),
          // Beside float32 the wider type wins.
          add(rows, wave([32, 4], 0)),
          concatenate([rows, wave([32, 4], 0)], 0),
        ];
        expect(full.map(({ dtype }) => dtype)).toEqual(full.map(() => 'float32'));
        expect(batchMatMul(wave([2, 3, 4], 0), wave([2, 4, 3], 1)).dtype).toBe(type);
      }),
    );
  });

  it('ends with its body', () => {
    scope(() => {
      expect(() =>
        autocast(type, () => {
          throw new Error('within');
        }),
      ).toThrow('within');
      expect(matMul(a(), b()).dtype).toBe('float32');
    });
  });

  it('adds up in float32: a sum of 16 bits would stand still', () => {
    const count = 4096;
    scope(() => {
      const ones = cast(tensor(new Float32Array(count).fill(1), [count], 'float32'), type);
      expect(numbers(sum(ones))).toEqual([count]);
      const bias = vector(0.5);
      const { gradients } = valueAndGradients({ bias }, () => ({
        loss: sum(biasAdd(reshape(ones, [count, 1]), bias)),
      }));
      expect(numbers(gradients['bias'] ?? ones)).toEqual([count]);
    });
  });

  it('gives gradients in the type of its forward pass, wherever they are asked for', () => {
    scope(() => {
      const parameters = { a: a(), b: b() };
      const { gradients } = valueAndGradients(parameters, () => ({
        loss: sum(autocast(type, () => matMul(parameters.a, parameters.b))),
      }));
      // d sum(a b) / d a = the row sums of b: of its rounded values, and rounded.
      const sums = numbers(cast(cast(sum(cast(b(), type), [1]), type), 'float32'));
      expect(numbers(gradients['a'] ?? parameters.a)).toEqual([...sums, ...sums, ...sums]);
      expect(gradients['a']?.dtype).toBe('float32');
    });
  });
});

describe('a small network', () => {
  const fixture = JSON.parse(
    readFileSync(new URL('../fixtures/precision.json', import.meta.url), 'utf8'),
  ) as {
    network: Record<
      'float32' | 'bfloat16',
      { loss: number; logits: number[]; gradients: Record<'filter' | 'bias' | 'matrix' | 'offset', number[]> }
    >;
  };

  /** The same network and formulas as in make-precision.py, whose layouts are NCHW, OIHW and [out, in]. */
  function answer(low: boolean) {
    return scope(() => {
      const x = transpose(wave([4, 3, 6, 6], 0), [0, 2, 3, 1]);
      const parameters = {
        filter: wave([5, 3, 3, 3], 1),
        bias: wave([5], 2),
        matrix: wave([7, 5], 3),
        offset: wave([7], 4),
      };
      const { result, gradients } = valueAndGradients(parameters, () => {
        const logits = autocast(low ? 'bfloat16' : null, () => {
          const filter = transpose(parameters.filter, [2, 3, 1, 0]);
          const maps = relu(biasAdd(conv2d(x, filter, { stride: 1, padding: 1 }), parameters.bias));
          const product = matMul(mean(maps, [1, 2]), parameters.matrix, false, true);
          return cast(biasAdd(product, parameters.offset), 'float32');
        });
        const targets = oneHot(tensor(Int32Array.of(0, 2, 4, 6), [4], 'int32'), 7);
        return { loss: mean(softmaxCrossEntropy(logits, targets)), logits };
      });
      return {
        logits: numbers(result.logits),
        gradients: Object.fromEntries(
          Object.entries(gradients).map(([name, gradient]) => [name, numbers(gradient)] as const),
        ),
      };
    });
  }

  it.each([
    ['float32', false, 1e-5],
    // One unit in the last of eight binary places; four where the terms of a sum are rounded, too.
    ['bfloat16', true, roundsOnce ? 2 ** -8 : 2 ** -6],
  ] as const)("has PyTorch's logits and gradients in %s", (precision, low, tolerance) => {
    const expected = fixture.network[precision];
    const found = answer(low);
    expect(distance(found.logits, expected.logits)).toBeLessThan(tolerance);
    for (const [name, gradient] of Object.entries(expected.gradients))
      expect([name, distance(found.gradients[name] ?? [], gradient) < tolerance]).toEqual([name, true]);
  });

  it('is not what it is in float32', () => {
    expect(distance(answer(true).logits, fixture.network.float32.logits)).toBeGreaterThan(1e-4);
  });
});
