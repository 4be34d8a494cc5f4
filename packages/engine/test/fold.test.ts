import { describe, expect, it } from '@jest/globals';
import { traceProgram, variableNode } from '../src/capture/index.js';
import { foldBatchNorms, type WeightedGraph } from '../src/export/fold.js';
import { freeze } from '../src/export/frozen.js';
import { onnxGraph } from '../src/export/onnx.js';
import { dependencies } from '../src/models/inference.js';
import {
  batchNorm2d,
  conv2d,
  defineModel,
  globalAveragePool,
  linear,
  Pass,
  type Layer,
  type Scope,
} from '../src/nn/index.js';
import { add, relu, reshape } from '../src/tensor/index.js';
import { hashes } from './support/generated-weights.js';
import { runFrozen } from './support/tensorflow.js';

const [size, channels] = [6, 4] as const;

/** A model's captured inference function on pictures of 6 px and 4 channels, with generated values. */
function weighted(build: (scope: Scope) => Layer): WeightedGraph {
  const model = defineModel(build);
  const state = Object.fromEntries(
    model.variables.map(({ name, shape }) => [name, { shape, dtype: 'float32' as const }]),
  );
  const { graph, fetches } = traceProgram({
    state: { model: state },
    inputs: { pixels: { shape: [2, size, size, channels], dtype: 'float32' } },
    fetches: {
      infer: ({ state: values, inputs }) => ({
        outputs: { logits: model.forward(inputs.pixels, new Pass(values.model, false, null)) },
      }),
    },
  });
  const output = fetches.infer?.outputs.logits ?? '';
  const weights = model.variables.map(({ name, shape }) => {
    const units = hashes(
      name,
      shape.reduce((a, b) => a * b, 1),
    );
    // Variances above zero, everything else on both sides of it.
    const least = name.endsWith('running_var') ? 0.2 : -0.5;
    return [name, Float32Array.from(units, (unit) => least + unit / 2 ** 32)] as const;
  });
  return {
    graph: {
      nodes: dependencies(graph.nodes, output),
      input: 'input/pixels',
      output,
      variables: new Map(model.variables.map((variable) => [variableNode('model', variable.name), variable])),
    },
    weights: Object.fromEntries(weights),
  };
}

const norms = ({ graph }: WeightedGraph): number =>
  graph.nodes.filter(({ op }) => op === 'FusedBatchNormV3').length;
const names = ({ graph }: WeightedGraph): string[] =>
  [...graph.variables.values()].map(({ name }) => name).sort();

const pixels = Float32Array.from(hashes('pixels', 2 * size * size * channels), (unit) => unit / 2 ** 31 - 1);

/** Folding may change what is computed by rounding only. */
function expectSameAnswers(before: WeightedGraph, after: WeightedGraph): void {
  const [one, other] = [before, after].map((graph) => runFrozen(freeze(graph), pixels, 2));
  const largest = Math.max(...(one ?? []).map(Math.abs));
  expect(largest).toBeGreaterThan(0.1);
  one?.forEach((value, at) => expect(Math.abs(value - (other?.[at] ?? NaN)) / largest).toBeLessThan(1e-5));
}

const layer = (scope: Scope, options: { depthwise?: boolean; bias?: boolean } = {}): Layer =>
  conv2d(scope.at('conv'), { inputs: channels, outputs: channels, kernel: 3, ...options });
const norm = (scope: Scope): Layer => batchNorm2d(scope.at('bn'), { channels, epsilon: 1e-3 });

describe('foldBatchNorms', () => {
  it.each([
    ['a convolution', {}],
    ['a convolution with bias', { bias: true }],
    ['a depthwise convolution', { depthwise: true }],
  ])('takes a norm into %s, which keeps its names', (_, options) => {
    const before = weighted((scope) => {
      const [conv, bn] = [layer(scope, options), norm(scope)];
      return (x, pass) => globalAveragePool(relu(bn(conv(x, pass), pass)), pass);
    });
    const after = foldBatchNorms(before);
    expect([norms(before), norms(after)]).toEqual([1, 0]);
    expect(names(after)).toEqual(['conv.bias', 'conv.weight']);
    expectSameAnswers(before, after);
    expect(onnxGraph(after).nodes.map(({ op }) => op)).toEqual(['Conv', 'Relu', 'ReduceMean', 'Identity']);
  });

  it('takes a norm into a linear layer, past the shape between them', () => {
    const before = weighted((scope) => {
      const [fc, bn] = [linear(scope.at('fc'), { inputs: channels, outputs: channels }), norm(scope)];
      return (x, pass) => {
        const rows = fc(globalAveragePool(x, pass), pass);
        return reshape(bn(reshape(rows, [-1, 1, 1, channels]), pass), [-1, channels]);
      };
    });
    const after = foldBatchNorms(before);
    expect([norms(before), norms(after), names(after)]).toEqual([1, 0, ['fc.bias', 'fc.weight']]);
    expectSameAnswers(before, after);
  });

  it.each<[string, (scope: Scope) => Layer]>([
    [
      'behind a sum',
      (scope) => {
        const [conv, bn] = [layer(scope), norm(scope)];
        return (x, pass) => globalAveragePool(bn(add(conv(x, pass), x), pass), pass);
      },
    ],
    [
      'whose convolution another layer sees',
      (scope) => {
        const [conv, bn] = [layer(scope), norm(scope)];
        return (x, pass) => {
          const map = conv(x, pass);
          return globalAveragePool(add(bn(map, pass), relu(map)), pass);
        };
      },
    ],
    [
      'whose filter serves two layers',
      (scope) => {
        const [conv, bn] = [layer(scope), norm(scope)];
        return (x, pass) => globalAveragePool(bn(conv(conv(x, pass), pass), pass), pass);
      },
    ],
    [
      'on the pictures themselves',
      (scope) => {
        const bn = norm(scope);
        return (x, pass) => globalAveragePool(bn(x, pass), pass);
      },
    ],
  ])('leaves a norm %s as it is', (_, build) => {
    const before = weighted(build);
    const after = foldBatchNorms(before);
    expect(norms(after)).toBe(1);
    expect(names(after)).toEqual(names(before));
    expectSameAnswers(before, after);
  });

  it('leaves only the norm that cannot be folded', () => {
    const before = weighted((scope) => {
      const [first, second] = [scope.at('a'), scope.at('b')];
      const [conv, bn, late] = [layer(first), norm(first), norm(second)];
      return (x, pass) => globalAveragePool(late(relu(bn(conv(x, pass), pass)), pass), pass);
    });
    const after = foldBatchNorms(before);
    expect([norms(before), norms(after)]).toEqual([2, 1]);
    expect(names(after)).toEqual([
      'a.conv.bias',
      'a.conv.weight',
      'b.bn.bias',
      'b.bn.running_mean',
      'b.bn.running_var',
      'b.bn.weight',
    ]);
    expectSameAnswers(before, after);
  });
});
