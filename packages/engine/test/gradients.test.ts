import { describe, expect, it } from '@jest/globals';
import { randomStream } from '../src/random/index.js';
import * as ops from '../src/tensor/index.js';
import { read, scope, tensor, valueAndGradients, type Tensor } from '../src/tensor/index.js';

type Draw = (index: number) => number;

interface Case {
  readonly name: string;
  readonly inputs: readonly { readonly shape: readonly number[]; readonly draw?: Draw }[];
  readonly compute: (...inputs: Tensor[]) => Tensor;
}

const values = randomStream(7, 'gradients');
/** Anything in ±2. */
const anything: Draw = () => 4 * values.uniform() - 2;
const positive: Draw = () => 0.5 + values.uniform();
/** Away from 0, where ReLU has no derivative. */
const awayFromZero: Draw = () => (values.uniform() < 0.5 ? -1 : 1) * (0.2 + values.uniform());
/** On both sides of 0 and 6, and away from them. */
const aroundClip: Draw = () => [-1.5, -0.4, 0.7, 3, 5.2, 6.5, 8][values.below(7)] ?? 0;
/** On both sides of -3 and 3, and away from them. */
const aroundHard: Draw = () => [-4, -3.4, -2.2, -0.6, 0.5, 2.4, 3.3, 5][values.below(8)] ?? 0;
/** All different, so that a window's largest stays the largest. */
const distinct: Draw = (index) => ((index * 37) % 101) / 10;

const picture = [2, 5, 5, 3];
const channels = { shape: [3] };

const cases: Case[] = [
  { name: 'add, broadcast', inputs: [{ shape: [2, 3] }, { shape: [3] }], compute: ops.add },
  { name: 'subtract, broadcast', inputs: [{ shape: [2, 1] }, { shape: [2, 3] }], compute: ops.subtract },
  { name: 'multiply, broadcast', inputs: [{ shape: [2, 3] }, { shape: [1, 3] }], compute: ops.multiply },
  {
    name: 'divide, broadcast',
    inputs: [{ shape: [2, 3] }, { shape: [3], draw: positive }],
    compute: ops.divide,
  },
  { name: 'negate', inputs: [{ shape: [4] }], compute: ops.negate },
  { name: 'exp', inputs: [{ shape: [4] }], compute: ops.exp },
  { name: 'log', inputs: [{ shape: [4], draw: positive }], compute: ops.log },
  { name: 'square', inputs: [{ shape: [4] }], compute: ops.square },
  { name: 'sqrt', inputs: [{ shape: [4], draw: positive }], compute: ops.sqrt },
  { name: 'rsqrt', inputs: [{ shape: [4], draw: positive }], compute: ops.rsqrt },
  { name: 'sin', inputs: [{ shape: [4] }], compute: ops.sin },
  { name: 'cos', inputs: [{ shape: [4] }], compute: ops.cos },
  { name: 'sigmoid', inputs: [{ shape: [4] }], compute: ops.sigmoid },
  { name: 'silu', inputs: [{ shape: [6] }], compute: ops.silu },
  {
    name: 'concatenate, last axis',
    inputs: [{ shape: [2, 3] }, { shape: [2, 2] }],
    compute: (a, b) => ops.concatenate([a, b, a], -1),
  },
  { name: 'slice', inputs: [{ shape: [3, 4] }], compute: (x) => ops.slice(x, [0, 1], [-1, 2]) },
  { name: 'relu', inputs: [{ shape: [9], draw: awayFromZero }], compute: ops.relu },
  { name: 'relu6', inputs: [{ shape: [20], draw: aroundClip }], compute: ops.relu6 },
  { name: 'hardSigmoid', inputs: [{ shape: [20], draw: aroundHard }], compute: ops.hardSigmoid },
  { name: 'hardSwish', inputs: [{ shape: [20], draw: aroundHard }], compute: ops.hardSwish },
  { name: 'sum over axes', inputs: [{ shape: [2, 3, 2] }], compute: (x) => ops.sum(x, [0, -1]) },
  { name: 'mean over all', inputs: [{ shape: [2, 3] }], compute: (x) => ops.mean(x) },
  { name: 'mean, kept axes', inputs: [{ shape: [2, 3, 2] }], compute: (x) => ops.mean(x, [1], true) },
  { name: 'reshape', inputs: [{ shape: [2, 6] }], compute: (x) => ops.reshape(x, [3, -1]) },
  { name: 'broadcastTo', inputs: [{ shape: [2, 1] }], compute: (x) => ops.broadcastTo(x, [4, 2, 3]) },
  { name: 'transpose', inputs: [{ shape: [2, 3, 4] }], compute: (x) => ops.transpose(x, [2, 0, 1]) },
  { name: 'matMul', inputs: [{ shape: [2, 3] }, { shape: [3, 4] }], compute: (a, b) => ops.matMul(a, b) },
  {
    name: 'matMul, both transposed',
    inputs: [{ shape: [3, 2] }, { shape: [4, 3] }],
    compute: (a, b) => ops.matMul(a, b, true, true),
  },
  {
    name: 'matMul, second transposed',
    inputs: [{ shape: [2, 3] }, { shape: [4, 3] }],
    compute: (a, b) => ops.matMul(a, b, false, true),
  },
  ...[false, true].flatMap((first) =>
    [false, true].map((second): Case => ({
      name: `batchMatMul, transposed: ${first}, ${second}`,
      inputs: [
        { shape: first ? [2, 2, 3, 2] : [2, 2, 2, 3] },
        { shape: second ? [2, 2, 4, 3] : [2, 2, 3, 4] },
      ],
      compute: (a, b) => ops.batchMatMul(a, b, first, second),
    })),
  ),
  {
    name: 'unstack, one part unused',
    inputs: [{ shape: [3, 2, 2] }],
    compute: (x) => {
      const [first, , last] = ops.unstack(x);
      return ops.subtract(first as Tensor, ops.square(last as Tensor));
    },
  },
  {
    name: 'attention',
    inputs: [{ shape: [1, 2, 3, 4] }, { shape: [1, 2, 3, 4] }, { shape: [1, 2, 3, 4] }],
    compute: ops.attention,
  },
  { name: 'gelu', inputs: [{ shape: [9] }], compute: ops.gelu },
  {
    name: 'layerNorm',
    inputs: [{ shape: [3, 6] }, { shape: [6], draw: positive }, { shape: [6] }],
    compute: (x, scale, offset) => ops.layerNorm(x, scale, offset, 1e-3),
  },
  { name: 'biasAdd', inputs: [{ shape: picture }, channels], compute: ops.biasAdd },
  {
    name: 'conv2d, 1x1 at stride 2',
    inputs: [{ shape: picture }, { shape: [1, 1, 3, 4] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 2, padding: 0 }),
  },
  {
    name: 'conv2d, stride 1',
    inputs: [{ shape: picture }, { shape: [3, 3, 3, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 1, padding: 1 }),
  },
  {
    name: 'conv2d, stride 2, uneven for SAME',
    inputs: [{ shape: [1, 6, 6, 2] }, { shape: [3, 3, 2, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 2, padding: 1 }),
  },
  {
    name: 'conv2d, stride 2, an even picture',
    inputs: [{ shape: [2, 6, 4, 3] }, { shape: [3, 3, 3, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 2, padding: 1 }),
  },
  {
    name: 'conv2d, 7x7 at stride 2',
    inputs: [{ shape: [1, 8, 8, 2] }, { shape: [7, 7, 2, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 2, padding: 3 }),
  },
  {
    name: 'conv2d, pictures of one channel',
    inputs: [{ shape: [2, 5, 4, 1] }, { shape: [3, 3, 1, 4] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 1, padding: 1 }),
  },
  {
    name: 'conv2d, 5x5, pictures of three channels',
    inputs: [{ shape: [1, 6, 6, 3] }, { shape: [5, 5, 3, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 1, padding: 2 }),
  },
  {
    name: 'conv2d, stride 1, more channels than pictures have',
    inputs: [{ shape: [1, 4, 4, 5] }, { shape: [3, 3, 5, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 1, padding: 1 }),
  },
  {
    name: 'conv2d, 3x3 on one pixel',
    inputs: [{ shape: [3, 1, 1, 4] }, { shape: [3, 3, 4, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 1, padding: 1 }),
  },
  {
    name: 'conv2d, 3x3 at stride 2 on 2x2 pixels',
    inputs: [{ shape: [2, 2, 2, 4] }, { shape: [3, 3, 4, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 2, padding: 1 }),
  },
  {
    name: 'conv2d, 3x3 on 1x2 pixels',
    inputs: [{ shape: [2, 1, 2, 4] }, { shape: [3, 3, 4, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 1, padding: 1 }),
  },
  {
    name: 'depthwiseConv2d, 7x7 on 2x2 pixels',
    inputs: [{ shape: [2, 2, 2, 3] }, { shape: [7, 7, 3, 1] }],
    compute: (x, filter) => ops.depthwiseConv2d(x, filter, { stride: 1, padding: 3 }),
  },
  {
    name: 'depthwiseConv2d, 5x5 at stride 2 on 3x3 pixels',
    inputs: [{ shape: [2, 3, 3, 3] }, { shape: [5, 5, 3, 1] }],
    compute: (x, filter) => ops.depthwiseConv2d(x, filter, { stride: 2, padding: 2 }),
  },
  {
    name: 'conv2d, more padding than SAME',
    inputs: [{ shape: [1, 4, 5, 2] }, { shape: [3, 3, 2, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 1, padding: 2 }),
  },
  {
    name: 'depthwiseConv2d, stride 2, an even picture',
    inputs: [{ shape: [2, 6, 6, 3] }, { shape: [5, 5, 3, 1] }],
    compute: (x, filter) => ops.depthwiseConv2d(x, filter, { stride: 2, padding: 2 }),
  },
  {
    name: 'conv2d, no padding',
    inputs: [{ shape: picture }, { shape: [1, 1, 3, 2] }],
    compute: (x, filter) => ops.conv2d(x, filter, { stride: 2, padding: 0 }),
  },
  {
    name: 'depthwiseConv2d, stride 1',
    inputs: [{ shape: picture }, { shape: [3, 3, 3, 1] }],
    compute: (x, filter) => ops.depthwiseConv2d(x, filter, { stride: 1, padding: 1 }),
  },
  {
    name: 'depthwiseConv2d, stride 2, kernel 5',
    inputs: [{ shape: [1, 6, 6, 2] }, { shape: [5, 5, 2, 1] }],
    compute: (x, filter) => ops.depthwiseConv2d(x, filter, { stride: 2, padding: 2 }),
  },
  {
    name: 'maxPool, padded',
    inputs: [{ shape: [1, 6, 6, 2], draw: distinct }],
    compute: (x) => ops.maxPool(x, 3, { stride: 2, padding: 1 }),
  },
  {
    name: 'batchNormTraining',
    inputs: [{ shape: picture }, { ...channels, draw: positive }, channels],
    compute: (x, scale, offset) =>
      ops.batchNormTraining(x, scale, offset, ops.constant([], [0], 'float32'), 1e-3).output,
  },
  {
    name: 'batchNormInference',
    inputs: [{ shape: picture }, { ...channels, draw: positive }, channels],
    compute: (x, scale, offset) => {
      const mean = ops.constant([0.3, -0.2, 0.1], [3], 'float32');
      const variance = ops.constant([0.5, 1.5, 2.5], [3], 'float32');
      return ops.batchNormInference(x, scale, offset, mean, variance, 1e-3);
    },
  },
  { name: 'softmax', inputs: [{ shape: [3, 4] }], compute: ops.softmax },
  { name: 'logSoftmax', inputs: [{ shape: [3, 4] }], compute: ops.logSoftmax },
  {
    name: 'softmaxCrossEntropy',
    inputs: [{ shape: [2, 3] }],
    compute: (x) => ops.softmaxCrossEntropy(x, ops.constant([0.2, 0.5, 0.3, 1, 0, 0], [2, 3], 'float32')),
  },
];

function size(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

/** sum(compute(inputs) · weights), with fixed weights that tell the outputs apart. */
function weighted(output: Tensor): Tensor {
  const weights = Array.from({ length: size(output.shape) }, (_, index) => Math.cos(index + 1));
  return ops.sum(ops.multiply(output, ops.constant(weights, output.shape, 'float32')));
}

describe.each(cases)('$name', ({ inputs, compute }) => {
  it('has the gradient of its finite differences', () => {
    const given = inputs.map(({ shape, draw = anything }) =>
      Float32Array.from({ length: size(shape) }, (_, index) => draw(index)),
    );
    const value = (data: readonly Float32Array[]): number =>
      scope(() => {
        const tensors = data.map((item, index) => tensor(item, inputs[index]?.shape ?? [], 'float32'));
        // The weights are applied on the host: a float32 sum would lose what the difference is about.
        const output = Array.from(read(compute(...tensors)));
        return output.reduce((sum, element, index) => sum + element * Math.fround(Math.cos(index + 1)), 0);
      });
    const analytic = scope(() => {
      const tensors = given.map((item, index) => tensor(item, inputs[index]?.shape ?? [], 'float32'));
      const named = Object.fromEntries(tensors.map((item, index) => [String(index), item]));
      const { gradients } = valueAndGradients(named, () => ({ loss: weighted(compute(...tensors)) }));
      return tensors.map((_, index) => Array.from(read(gradients[String(index)] as Tensor)));
    });
    const h = 0.01;
    given.forEach((data, input) => {
      const numeric = Array.from(data, (original, element) => {
        const at = (shift: number) =>
          value(given.map((item, index) => (index === input ? item.with(element, original + shift) : item)));
        const [up, down] = [at(h), at(-h)];
        return (up - down) / (Math.fround(original + h) - Math.fround(original - h));
      });
      const scale = Math.max(1, ...numeric.map(Math.abs));
      numeric.forEach((expected, element) => {
        expect(Math.abs((analytic[input]?.[element] ?? Number.NaN) - expected) / scale).toBeLessThan(2e-3);
      });
    });
  });
});

describe('valueAndGradients', () => {
  it('names the parameters that no gradient reaches', () => {
    scope(() => {
      const used = tensor(Float32Array.of(1, 2), [2], 'float32');
      const forgotten = tensor(Float32Array.of(3), [1], 'float32');
      const compute = () => ({ loss: ops.sum(used) });
      expect(() => valueAndGradients({ used, 'fc.bias': forgotten }, compute)).toThrow(
        'no gradient reaches: fc.bias',
      );
    });
  });

  it('lets no gradient through stopGradient', () => {
    scope(() => {
      const x = tensor(Float32Array.of(3), [], 'float32');
      const { gradients } = valueAndGradients({ x }, () => ({
        loss: ops.multiply(x, ops.stopGradient(ops.square(x))),
      }));
      expect(Array.from(read(gradients['x'] as Tensor))).toEqual([9]);
    });
  });

  it('adds up the gradients of all uses', () => {
    scope(() => {
      const x = tensor(Float32Array.of(3), [], 'float32');
      const { gradients } = valueAndGradients({ x }, () => ({
        loss: ops.add(ops.multiply(x, x), ops.multiply(x, 5)),
      }));
      expect(Array.from(read(gradients['x'] as Tensor))).toEqual([11]);
    });
  });
});

describe('eager tensors', () => {
  it('are freed by their scope', () => {
    const kept = scope(() => ops.add(tensor(Float32Array.of(1), [1], 'float32'), 1));
    expect(Array.from(read(kept))).toEqual([2]);
    ops.dispose(kept);
    expect(() => read(kept)).toThrow();
  });

  it('name the op and its inputs when TensorFlow refuses it', () => {
    scope(() => {
      const indices = tensor(Int32Array.of(9), [1], 'int32');
      const table = tensor(Float32Array.of(1, 2), [2], 'float32');
      expect(() => ops.gather(table, indices)).toThrow(/GatherV2\(float32\[2\], int32\[1\], int32\[\]\)/);
    });
  });
});
