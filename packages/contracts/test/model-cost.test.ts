import { describe, expect, it } from '@jest/globals';
import { makeDivisible } from '../src/architectures/index.js';
import { estimateModelCost } from '../src/model-cost.js';
import { modelSpec, type ModelSpec } from '../src/models.js';

const model = (name: string, rest: Record<string, unknown> = {}): ModelSpec =>
  modelSpec.parse({ name, ...rest });

describe('estimateModelCost', () => {
  it.each<[string, ModelSpec, number]>([
    ['ResNet-18, ImageNet stem', model('resnet18', { stem: 'imagenet' }), 11_180_103],
    ['ResNet-18, small stem', model('resnet18'), 11_172_423],
    ['MobileNetV3-Large, ImageNet stem', model('mobilenetv3-large', { stem: 'imagenet' }), 4_210_999],
    ['MobileNetV3-Large, small stem', model('mobilenetv3-large'), 4_210_999],
    // 288 + 9216 + 18432 + 36864 + 73728 + 147456 + 294912 weights, 2 x 704 of batch norm, 256 x 7 + 7.
    ['the plain network', model('vgg'), 584_103],
    // Counted by PyTorch on the same layers (packages/engine/fixtures/make-torchvision.py).
    ['the hybrid student', model('hybrid'), 349_327],
  ])('counts the parameters of %s', (_, spec, parameters) => {
    expect(estimateModelCost(spec, { size: 48, channels: 1 }).parameters).toBe(parameters);
  });

  // Published in MMACs, rounded to the digits given.
  it.each<[ModelSpec, number, number, number]>([
    [model('resnet18', { stem: 'imagenet' }), 48, 98, 0],
    [model('resnet18', { stem: 'imagenet' }), 64, 148, 0],
    [model('resnet18', { stem: 'imagenet' }), 112, 485, 0],
    [model('resnet18', { stem: 'imagenet' }), 224, 1814, 0],
    [model('resnet18'), 48, 1250, 0],
    // PyTorch 2.15 with a hook on every layer counts 27,215,465,984.
    [model('resnet18'), 224, 27215, 0],
    [model('mobilenetv3-large', { stem: 'imagenet' }), 48, 14.2, 1],
    [model('mobilenetv3-large', { stem: 'imagenet' }), 64, 20.1, 1],
    [model('mobilenetv3-large', { stem: 'imagenet' }), 112, 59.4, 1],
    [model('mobilenetv3-large', { stem: 'imagenet' }), 224, 215, 0],
  ])('counts the multiply-accumulates of %j at %i pixels', (spec, size, expected, digits) => {
    const { macs } = estimateModelCost(spec, { size, channels: 3 });
    expect(Number.isInteger(macs)).toBe(true);
    expect(Number((macs / 1e6).toFixed(digits))).toBe(expected);
  });

  it('counts the picture channels only where the model takes them', () => {
    const parameters = (spec: ModelSpec, channels: 1 | 3): number =>
      estimateModelCost(spec, { size: 48, channels }).parameters;
    expect(parameters(model('vgg'), 3) - parameters(model('vgg'), 1)).toBe(2 * 9 * 32);
    expect(parameters(model('resnet18'), 3)).toBe(parameters(model('resnet18'), 1));
  });

  it('keeps the hybrid student within 1.5 M parameters and 25 to 35 MMACs at 48 pixels', () => {
    const { parameters, macs } = estimateModelCost(model('hybrid'), { size: 48, channels: 1 });
    expect(parameters).toBeLessThanOrEqual(1.5e6);
    // Attention's own products counted: 2 x 144^2 x 64 or 2 x 36^2 x 64 in each block.
    expect(macs).toBe(34_137_056);
  });

  it('refuses an input below the smallest size', () => {
    expect(() => estimateModelCost(model('resnet18'), { size: 31, channels: 1 })).toThrow(/at least 32/);
  });
});

describe('makeDivisible', () => {
  it.each([
    [3, 8],
    [12, 16],
    [11, 16],
    [16 * 0.35, 8],
    [24 * 0.75, 24],
    [40, 40],
    [1280 * 0.5, 640],
  ])('rounds %d to %i', (channels, rounded) => {
    expect(makeDivisible(channels)).toBe(rounded);
  });
});
