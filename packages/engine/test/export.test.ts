import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { emotions, exportFormats, modelNames, modelSpec, type ModelSpec } from '@ferment/contracts';
import { runExport, type ExportOutputs } from '../src/export/index.js';
import { readSafetensors, writeSafetensors } from '../src/files/safetensors.js';
import { fileShape, weightsFromTensors } from '../src/files/weights.js';
import { createModel } from '../src/models/index.js';
import { channelsLast, generatedPixels, generatedWeights } from './support/generated-weights.js';
import { onnxMetadata, onnxOps, relativeDifference, runOnnx } from './support/onnx.js';
import { inferEagerly } from './support/run-model.js';
import { runSavedModel, runTfjs } from './support/tensorflow.js';

// Seconds of computing each, more on a busy machine.
jest.setTimeout(120_000);

const mean = 0.507;
const std = 0.255;

const cases: [ModelSpec, number, 1 | 3][] = [
  [modelSpec.parse({ name: 'resnet18', stem: 'imagenet', width: 0.25 }), 48, 1],
  [modelSpec.parse({ name: 'resnet18', stem: 'small', width: 0.25 }), 33, 3],
  [modelSpec.parse({ name: 'mobilenetv3-large', stem: 'imagenet', width: 0.5 }), 64, 3],
  [modelSpec.parse({ name: 'mobilenetv3-large', stem: 'small', width: 0.25 }), 32, 1],
  [modelSpec.parse({ name: 'vgg', width: 0.25 }), 31, 3],
  [modelSpec.parse({ name: 'vgg', width: 0.25, head: { name: 'arcface', embedding: 32 } }), 32, 1],
  [modelSpec.parse({ name: 'seresnet18', width: 0.125 }), 32, 1],
  [modelSpec.parse({ name: 'resemotenet', width: 0.125 }), 48, 1],
  [modelSpec.parse({ name: 'resemotenet', width: 0.125, squeeze: false, withoutResiduals: 1 }), 41, 3],
  [modelSpec.parse({ name: 'efficientnet-b3', stem: 'imagenet', width: 0.25 }), 64, 3],
  [modelSpec.parse({ name: 'convnext-tiny', width: 0.25 }), 48, 1],
  [modelSpec.parse({ name: 'shufflenetv2', width: 0.5 }), 45, 1],
  [modelSpec.parse({ name: 'hybrid', width: 0.5 }), 48, 1],
  [modelSpec.parse({ name: 'hybrid', width: 0.5, depth: [0, 3] }), 37, 3],
  [modelSpec.parse({ name: 'hybrid', width: 0.25, transformer: false }), 48, 1],
];

function exportable(spec: ModelSpec, size: number, channels: 1 | 3) {
  const model = createModel(spec, { size, channels });
  const state = model.variables.map((variable): [string, number[]] => [variable.name, fileShape(variable)]);
  const tensors = generatedWeights(state);
  const weights = writeSafetensors(tensors);
  const calibration = {
    pixels: channelsLast(generatedPixels(4, channels, size), 4, channels, size),
    count: 4,
  };
  return { model, tensors, weights, given: { model: spec, weights, size, channels, calibration } };
}

describe.each(cases)('runExport of %j at %i pixels, %i channels', (spec, size, channels) => {
  const { model, tensors, weights, given } = exportable(spec, size, channels);
  const values = weightsFromTensors(model, tensors);
  let files: ExportOutputs;
  beforeAll(async () => {
    files = await runExport({ ...given, mean, std });
  });

  /** What the engine answers for the first pictures, normalised before it. */
  const expected = (images: number): Float32Array => {
    const pictures = Float32Array.from(
      channelsLast(pixelsOf(images), images, channels, size),
      (pixel) => (pixel / 255 - mean) / std,
    );
    return inferEagerly(model, values, pictures, [images, size, size, channels]).logits;
  };
  const pixelsOf = (images: number) => generatedPixels(images, channels, size);
  const batches = [3, 1];

  it('gives the logits of the engine in onnxruntime, 1 and 3 at a time', async () => {
    for (const images of batches) {
      const answer = await runOnnx(files.onnx, pixelsOf(images), [images, channels, size, size]);
      expect(answer.shape).toEqual([images, 7]);
      // The batch stays free, and the file says so.
      expect(answer.inputs).toEqual([
        expect.objectContaining({ name: 'pixels', type: 'float32', shape: ['batch', channels, size, size] }),
      ]);
      expect(answer.outputs).toEqual([
        expect.objectContaining({ name: 'logits', type: 'float32', shape: ['batch', 7] }),
      ]);
      expect(relativeDifference(answer.logits, expected(images))).toBeLessThan(1e-4);
    }
  });

  it.each([
    ['savedmodel', 'TensorFlow', runSavedModel],
    ['tfjs', 'TensorFlow.js', runTfjs],
  ] as const)('gives the logits of the engine as %s in %s, 1 and 3 at a time', async (format, _, run) => {
    const pixels = channelsLast(pixelsOf(3), 3, channels, size);
    const shapes = batches.map((images) => [images, size, size, channels]);
    const { answers, metadata } = await run(files[format], pixels, shapes);
    expect(metadata).toMatchObject({
      layout: 'NHWC',
      labels: emotions,
      size,
      channels,
      mean,
      std,
      model: spec,
    });
    expect(answers.map(({ shape }) => shape)).toEqual(batches.map((images) => [images, 7]));
    const [three] = [expected(3)];
    for (const { logits } of answers) {
      // The one picture is the first of the three.
      expect(relativeDifference(logits, three.subarray(0, logits.length))).toBeLessThan(1e-4);
    }
  });

  it('has no batch norm left in any graph', async () => {
    expect(onnxOps(files.onnx).filter((op) => op === 'BatchNormalization')).toEqual([]);
    expect(onnxOps(files['onnx-int8']).filter((op) => op === 'BatchNormalization')).toEqual([]);
    for (const graph of [files.savedmodel, files.tfjs]) {
      expect(Buffer.from(graph).includes('FusedBatchNorm')).toBe(false);
      expect(Buffer.from(graph).includes('Conv2D')).toBe(true);
    }
  });

  it('writes the weights as torchvision names them, without what else the checkpoint held', async () => {
    const checkpoint = writeSafetensors({
      ...tensors,
      'optimizer.momentum.x': { dtype: 'F32', shape: [1], data: Float32Array.of(1) },
    });
    const { safetensors } = await runExport({ ...given, weights: checkpoint, mean, std });
    const written = readSafetensors(safetensors);
    expect(Object.keys(written.tensors).sort()).toEqual(Object.keys(tensors).sort());
    expect(Buffer.compare(writeSafetensors(written.tensors), weights)).toBe(0);
    expect(written.metadata).toEqual({
      labels: JSON.stringify(emotions),
      size: String(size),
      channels: String(channels),
      mean: '0.507',
      std: '0.255',
      model: JSON.stringify(spec),
    });
  });
});

describe('runExport', () => {
  it('is checked for every model', () => {
    expect(new Set(cases.map(([{ name }]) => name))).toEqual(new Set(modelNames));
  });

  const spec = modelSpec.parse({ name: 'vgg', width: 0.25 });
  const [size, channels] = [16, 1] as const;
  const { tensors, weights, given } = exportable(spec, size, channels);

  it('puts labels, size, channels, normalisation and model into the metadata', async () => {
    const labels = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const { onnx } = await runExport({ ...given, mean, std, labels });
    expect(onnxMetadata(onnx)).toEqual([
      { key: 'channels', value: '1' },
      { key: 'labels', value: JSON.stringify(labels) },
      { key: 'layout', value: 'NCHW' },
      { key: 'mean', value: '0.507' },
      { key: 'model', value: JSON.stringify(spec) },
      { key: 'size', value: '16' },
      { key: 'std', value: '0.255' },
    ]);
  });

  it('takes mean and std from the checkpoint when they are not given, to the same bytes', async () => {
    const checkpoint = writeSafetensors(tensors, { ferment: JSON.stringify({ step: 3, mean, std }) });
    const stated = await runExport({ ...given, mean, std });
    const saved = await runExport({ ...given, weights: checkpoint });
    for (const format of exportFormats) expect(Buffer.compare(saved[format], stated[format])).toBe(0);
  });

  it.each<[string, Partial<Parameters<typeof runExport>[0]>, RegExp]>([
    ['a file without normalisation', { weights }, /no mean and std/],
    ['a spread of zero', { weights, mean, std: 0 }, /std is 0/],
    ['bytes that are no weights', { weights: Uint8Array.of(1, 2, 3), mean, std }, /truncated/],
    ['weights of another model', { weights: writeSafetensors({}), mean, std }, /do not fit the model/],
    [
      'a number of labels that the weights do not have',
      { weights, mean, std, labels: ['a', 'b'] },
      /classifier/,
    ],
    ['pictures that are too small', { weights, mean, std, size: 8 }, /too small/],
  ])("refuses %s as the user's mistake", async (_, inputs, message) => {
    const failure: unknown = await runExport({ ...given, ...inputs }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ failureClass: 'user', message: expect.stringMatching(message) });
  });
});
