import { describe, expect, it, jest } from '@jest/globals';
import { jobCatalog, modelNames, modelSpec } from '@ferment/contracts';
import { importFer2013, openVersion, split } from '@ferment/datasets';
import { createReadStream } from 'node:fs';
import { describeWith, fer2013File } from '../../../test/support/services.js';
import { foldBatchNorms } from '../src/export/fold.js';
import { runExport } from '../src/export/index.js';
import { onnxGraph } from '../src/export/onnx.js';
import { quantise, rangesWanted } from '../src/export/quantise.js';
import { bestRange } from '../src/export/range.js';
import { fileShape, weightsFromTensors } from '../src/files/weights.js';
import { writeSafetensors } from '../src/files/safetensors.js';
import { createModel } from '../src/models/index.js';
import { traceInference } from '../src/models/inference.js';
import { runTraining } from '../src/train/index.js';
import { generatedPixels, generatedWeights } from './support/generated-weights.js';
import { decodeOnnx, relativeDifference, runOnnx } from './support/onnx.js';
import { quiet } from './support/quiet.js';

// Seconds of computing, more on a busy machine.
jest.setTimeout(240_000);

const size = 32;
// Inside Jest's sandbox a global costs a look-up each time; these run for every weight.
const { abs, floor, max } = Math;
const nothing = NaN;

/** A model's folded graph with generated weights. */
function folded(name: string) {
  const spec = modelSpec.parse({ name, width: 0.25 });
  const model = createModel(spec, { size, channels: 1 });
  const tensors = generatedWeights(model.variables.map((variable) => [variable.name, fileShape(variable)]));
  const graph = traceInference(spec, { size, channels: 1 }, 2);
  const weights = weightsFromTensors(model, tensors);
  return { spec, tensors, graph: onnxGraph(foldBatchNorms({ graph, weights })) };
}

describe('bestRange', () => {
  it('keeps the whole range of values that fill it evenly', () => {
    expect(bestRange({ low: 0, high: 8 }, new Float64Array(1024).fill(5))).toEqual({ low: 0, high: 8 });
    const even = bestRange({ low: -2, high: 6 }, new Float64Array(1024).fill(5));
    expect([even.low, even.high]).toEqual([-2, 6]);
  });

  it('cuts off a value that stands alone far from a great many, at its own end only', () => {
    const counts = new Float64Array(1024);
    counts.fill(1e6, 512, 640); // 0 to 2 of -8 to 8
    counts[1023] = 1; // one near 8
    counts[0] = 1e6; // and as many as elsewhere at -8
    const { low, high } = bestRange({ low: -8, high: 8 }, counts);
    expect(high).toBeLessThan(3);
    expect(high).toBeGreaterThan(1.9);
    expect(low).toBe(-8);
  });
});

describe.each(modelNames)('quantise of %s', (name) => {
  const { graph } = folded(name);
  const ranges = new Map(rangesWanted(graph).map((value) => [value, { low: -1.5, high: 6 }]));
  const result = quantise(graph, ranges);
  const made = new Map(result.initializers.map((initializer) => [initializer.name, initializer]));
  const layers = graph.nodes.filter(
    ({ op, inputs }) =>
      ['Conv', 'Gemm'].includes(op) && graph.initializers.some((each) => each.name === inputs[1]),
  );

  it('holds the weights of every layer in int8, within half a step of what they are', () => {
    expect(layers.length).toBeGreaterThan(5);
    for (const { inputs } of layers) {
      const weight = inputs[1] ?? '';
      const before = graph.initializers.find((each) => each.name === weight);
      const [after, scale] = [made.get(weight), made.get(`${weight}/scale`)];
      expect(after?.data).toBeInstanceOf(Int8Array);
      expect(after?.shape).toEqual(before?.shape);
      const inside = (before?.data.length ?? 0) / (scale?.data.length ?? 1);
      let furthest = 0;
      let largest = 0;
      before?.data.forEach((value, at) => {
        const step = scale?.data[floor(at / inside)] ?? nothing;
        furthest = max(furthest, abs(value - (after?.data[at] ?? nothing) * step) / step);
        largest = max(largest, abs(after?.data[at] ?? nothing));
      });
      expect(furthest).toBeLessThan(0.5001);
      expect(largest).toBe(64);
    }
  });

  it('takes every layer from and to values of 8 bits, with the right zero', () => {
    const makers = new Map(result.nodes.map((node) => [node.output, node]));
    for (const layer of result.nodes.filter(
      ({ op, inputs }) => ['Conv', 'Gemm'].includes(op) && inputs.length > 1,
    )) {
      for (const input of layer.inputs) expect(makers.get(input)?.op).toBe('DequantizeLinear');
    }
    const zeros = result.initializers.filter(({ data }) => data instanceof Uint8Array);
    expect(zeros.length).toBe(result.nodes.filter(({ op }) => op === 'QuantizeLinear').length);
    expect(zeros.length).toBeGreaterThan(5);
    // 1.5 of 7.5 is 51 of 255 steps.
    for (const { data } of zeros) expect(Array.from(data)).toEqual([51]);
  });

  it('leaves the logits in float32', () => {
    expect(result.nodes.at(-1)).toMatchObject({ op: 'Identity', output: 'logits' });
    const last = result.nodes.find(({ output }) => output === result.nodes.at(-1)?.inputs[0]);
    expect(last?.op).toBe('Gemm');
  });
});

describe('INT8 in onnxruntime', () => {
  it.each(['vgg', 'hybrid'])('answers close to float32 for %s, in a third of the bytes', async (name) => {
    const { spec, tensors } = folded(name);
    const images = 8;
    const pixels = generatedPixels(images, 1, size);
    const files = await runExport({
      ...{ model: spec, weights: writeSafetensors(tensors), size, channels: 1, mean: 0.5, std: 0.25 },
      calibration: { pixels, count: images },
    });
    const [float32, int8] = await Promise.all(
      [files.onnx, files['onnx-int8']].map((onnx) => runOnnx(onnx, pixels, [images, 1, size, size])),
    );
    const difference = relativeDifference(int8?.logits ?? [], float32?.logits ?? []);
    expect(difference).toBeLessThan(0.1);
    // It is the INT8 graph that answered.
    expect(difference).toBeGreaterThan(1e-5);
    expect(int8?.inputs).toEqual(float32?.inputs);
    const types = decodeOnnx(files['onnx-int8']).graph.initializer.map(({ type }) => type);
    expect(types.filter((type) => type === 3).length).toBeGreaterThan(10);
    if (name === 'vgg') expect(files['onnx-int8'].length).toBeLessThan(files.onnx.length / 3);
  });
});

describeWith('fer2013-data', 'INT8 of a network trained on real FER2013', () => {
  it('loses at most one point of accuracy in onnxruntime', async () => {
    const source = createReadStream(fer2013File());
    const options = { fileName: 'fer2013.csv.gz', skipBad: false, synthetic: false };
    const params = jobCatalog.train.params.parse({
      data: {
        ...{ dataset: 'fer2013', version: 'f'.repeat(64), protocol: 'carved', labels: 'fer', classes: 7 },
        preprocess: { size: 48, channels: 1 },
        subset: { train: 4000, validation: 300, seed: 0 },
      },
      model: { name: 'vgg', width: 0.25 },
      train: { epochs: 4, batch: 64, optimizer: { name: 'adamw', lr: 0.003 }, augment: 'flip', threads: 1 },
      select: {},
      seed: 0,
    });
    const parts = split(openVersion((await importFer2013(source, options)).bytes), params.data);
    const { train, validation, test, mean, std } = parts;
    const { best } = await runTraining(
      {
        params,
        method: 'train',
        data: { train, validation, mean, std },
        teachers: [],
        start: null,
        resume: null,
      },
      quiet(),
    );
    const files = await runExport({
      ...{ model: params.model, weights: best, size: 48, channels: 1 },
      calibration: train,
    });
    const accuracy = async (onnx: Uint8Array): Promise<number> => {
      const { logits } = await runOnnx(onnx, test.pixels, [test.count, 1, 48, 48]);
      const right = Array.from(test.labels).filter((label, image) => {
        const row = logits.slice(7 * image, 7 * image + 7);
        return row.indexOf(Math.max(...row)) === label;
      });
      return right.length / test.count;
    };
    const [float32, int8] = [await accuracy(files.onnx), await accuracy(files['onnx-int8'])];
    // It has learnt: the most frequent class is a quarter of the images.
    expect(float32).toBeGreaterThan(0.32);
    expect(100 * (float32 - int8)).toBeLessThanOrEqual(1);
  });
});
