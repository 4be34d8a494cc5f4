import { describe, expect, it, jest } from '@jest/globals';
import { jobCatalog, type JobParams } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import { readSafetensors, runEvaluation, runExport, runTraining } from '../src/index.js';
import { generatedLabels, hashes } from './support/generated-weights.js';
import { relativeDifference, runOnnx } from './support/onnx.js';
import { quiet } from './support/quiet.js';

// Seconds of computing each, more on a busy machine.
jest.setTimeout(120_000);

const size = 32;

function noise(name: string, count: number): ImageSet {
  const pixels = Uint8Array.from(hashes(name, count * size * size), (hash) => hash >>> 24);
  return { pixels, labels: generatedLabels(count, 7), count, size, channels: 1 };
}

function trainParams(model: object): JobParams<'train'> {
  return jobCatalog.train.params.parse({
    data: { dataset: 'noise', version: '0'.repeat(64), protocol: 'official', preprocess: { size } },
    model,
    train: { updates: 3, batch: 16, schedule: { name: 'constant' }, augment: 'none', threads: 1 },
    select: {},
    seed: 5,
  });
}

describe.each([
  { name: 'resnet18', width: 0.125 },
  { name: 'mobilenetv3-large', width: 0.25 },
  { name: 'seresnet18', width: 0.125 },
  { name: 'resemotenet', width: 0.05 },
  { name: 'efficientnet-b3', width: 0.1 },
  { name: 'convnext-tiny', width: 0.1 },
  { name: 'shufflenetv2', width: 0.25 },
  { name: 'vgg', width: 0.25 },
  { name: 'hybrid', width: 0.25 },
])('from training to export: %j', (model) => {
  it('answers in onnxruntime what the evaluation job saved as logits', async () => {
    const params = trainParams(model);
    const [train, validation, test] = [noise('train', 48), noise('validation', 9), noise('test', 6)];
    const [mean, std] = [0.5, 0.29];
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

    const evaluation = await runEvaluation({
      model: params.model,
      weights: best,
      data: { validation, test },
      mean,
      std,
      signal: quiet().signal,
    });
    const saved = readSafetensors(evaluation.logits).tensors['test.logits'];
    const { onnx, safetensors } = await runExport({
      ...{ model: params.model, weights: best, size, channels: 1 },
      calibration: train,
    });
    const answer = await runOnnx(onnx, test.pixels, [6, 1, size, size]);

    expect(saved?.dtype).toBe('F32');
    expect(relativeDifference(answer.logits, saved?.data as Float32Array)).toBeLessThan(1e-4);
    expect(readSafetensors(safetensors).tensors).toEqual(readSafetensors(best).tensors);
  });
});
