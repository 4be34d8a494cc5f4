import { describe, expect, it } from '@jest/globals';
import { modelSpec } from '@ferment/contracts';
import { traceFreeBatch } from '../src/export/free-batch.js';
import { onnxGraph } from '../src/export/onnx.js';
import { traceInference, type InferenceGraph } from '../src/models/inference.js';
import { fileShape, weightsFromTensors } from '../src/files/weights.js';
import { traceProgram } from '../src/capture/index.js';
import { createModel } from '../src/models/index.js';
import { hardSigmoid, hardSwish, mean, multiply, reshape, sin, type Tensor } from '../src/tensor/index.js';
import { generatedWeights } from './support/generated-weights.js';

/** A graph without variables, from pictures [batch, 8, 8, 3]. */
function traced(body: (x: Tensor) => Tensor, batch: number): InferenceGraph {
  const { graph, fetches } = traceProgram({
    state: {},
    inputs: { pixels: { shape: [batch, 8, 8, 3], dtype: 'float32' } },
    fetches: { infer: ({ inputs }) => ({ outputs: { logits: body(inputs.pixels) } }) },
  });
  const output = fetches.infer?.outputs.logits ?? '';
  const nodes = graph.nodes.filter(({ op, name }) => op !== 'NoOp' && !name.startsWith('write/'));
  return { nodes, input: 'input/pixels', output, variables: new Map() };
}

const unweighted = (body: (x: Tensor) => Tensor) => ({
  graph: traceFreeBatch((batch) => traced(body, batch)),
  weights: {},
});

const ops = (body: (x: Tensor) => Tensor): string[] => onnxGraph(unweighted(body)).nodes.map(({ op }) => op);

describe('onnxGraph', () => {
  it('leaves no transposition, and one op for each of the engine', () => {
    const spec = modelSpec.parse({ name: 'resnet18', stem: 'imagenet', width: 0.125 });
    const model = createModel(spec, { size: 32, channels: 3 });
    const state = model.variables.map((variable): [string, number[]] => [variable.name, fileShape(variable)]);
    const weights = weightsFromTensors(model, generatedWeights(state));
    const { nodes, initializers } = onnxGraph({
      graph: traceInference(spec, { size: 32, channels: 3 }, 1),
      weights,
    });
    const count = (op: string): number => nodes.filter((node) => node.op === op).length;
    expect(
      Object.fromEntries(['Conv', 'BatchNormalization', 'MaxPool', 'Gemm'].map((op) => [op, count(op)])),
    ).toEqual({ Conv: 20, BatchNormalization: 20, MaxPool: 1, Gemm: 1 });
    expect(new Set(nodes.map(({ op }) => op))).toEqual(
      new Set([
        'Mul',
        'Sub',
        'Conv',
        'BatchNormalization',
        'Relu',
        'MaxPool',
        'Add',
        'ReduceMean',
        'Gemm',
        'Identity',
      ]),
    );
    const names = initializers.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(state.map(([name]) => name)));
    expect(new Set(names).size).toBe(names.length);
  });

  it('transposes pictures only where they become tokens and tokens pictures', () => {
    const transpositions = (transformer: boolean): number => {
      const spec = modelSpec.parse({ name: 'hybrid', width: 0.25, depth: [1, 1], transformer });
      const model = createModel(spec, { size: 32, channels: 1 });
      const weights = Object.fromEntries(
        model.variables.map(({ name, shape }) => [
          name,
          new Float32Array(shape.reduce((total, size) => total * size, 1)),
        ]),
      );
      const { nodes } = onnxGraph({ graph: traceInference(spec, { size: 32, channels: 1 }, 1), weights });
      return nodes.filter(({ op }) => op === 'Transpose').length;
    };
    expect(transpositions(false)).toBe(0);
    // Three in each attention: heads apart, keys turned, heads together. The last map's mean is taken as it is.
    expect(transpositions(true)).toBe(2 * 3 + 3);
  });

  it("writes MobileNet's activations as the ops that ONNX has for them", () => {
    expect(ops(hardSigmoid)).toEqual(['HardSigmoid', 'Identity']);
    expect(ops(hardSwish)).toEqual(['HardSigmoid', 'Mul', 'Identity']);
    expect(onnxGraph(unweighted(hardSigmoid)).initializers).toEqual([]);
  });

  it('keeps a product that only looks like a hard sigmoid', () => {
    expect(ops((x) => multiply(hardSigmoid(x), 1 / 6))).toEqual(['HardSigmoid', 'Mul', 'Identity']);
  });

  it('refuses an op that has no translation, naming it', () => {
    expect(() => ops(sin)).toThrow(/infer\/Sin_0 \(Sin\): no translation; add one to/);
  });

  it('refuses a graph that holds the batch size', () => {
    expect(() => ops((x) => reshape(x, [x.size(0), 192]))).toThrow(/the batch size is baked in/);
  });

  it('refuses a mean over anything but height and width', () => {
    expect(() => ops((x) => mean(x, [3]))).toThrow(/axes 3: expected the height and width/);
  });
});
