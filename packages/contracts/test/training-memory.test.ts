import { describe, expect, it } from '@jest/globals';
import { modelSpec, type ModelSpec } from '../src/models.js';
import { estimateTrainingMemory, type TrainingShape } from '../src/training-memory.js';
import { optimizerSpec } from '../src/training.js';

const model = (name: string, rest: Record<string, unknown> = {}): ModelSpec =>
  modelSpec.parse({ name, ...rest });

function shape(more: Partial<TrainingShape> = {}): TrainingShape {
  return {
    model: model('resnet18'),
    optimizer: optimizerSpec.parse({ name: 'sgd' }),
    batch: 64,
    images: 128,
    input: { size: 48, channels: 1 },
    teachers: [],
    ...more,
  };
}

const megabytes = (more: Partial<TrainingShape> = {}) => estimateTrainingMemory(shape(more)) / 1e6;
const adamw = optimizerSpec.parse({ name: 'adamw' });

describe('estimateTrainingMemory', () => {
  // What the process grew by after it had loaded the library (370 MB): npm run bench -- capture, 25 November 2026.
  it.each<[string, Partial<TrainingShape>, number]>([
    ['vgg', { model: model('vgg') }, 216],
    ['hybrid', { model: model('hybrid') }, 453],
    ['MobileNetV3', { model: model('mobilenetv3-large') }, 1002],
    ['ResNet-18', {}, 1183],
    ['ResNet-18, AdamW, batch 16', { optimizer: adamw, batch: 16 }, 660],
    [
      'ResNet-18, strided stem, AdamW',
      { model: model('resnet18', { stem: 'imagenet' }), optimizer: adamw },
      532,
    ],
    ['ResEmoteNet', { model: model('resemotenet') }, 2191],
    ['ResEmoteNet, AdamW, batch 16', { model: model('resemotenet'), optimizer: adamw, batch: 16 }, 2691],
    ['EfficientNet-B3', { model: model('efficientnet-b3') }, 2817],
    ['ConvNeXt-Tiny', { model: model('convnext-tiny') }, 2403],
  ])('is within 30 %% of what %s was measured to take', (_, wanted, measured) => {
    const ratio = (megabytes(wanted) - 370) / measured;
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.3);
  });

  it('grows with the batch, the pictures, the resident images, slots and teachers', () => {
    const plain = megabytes();
    expect(megabytes({ batch: 128 })).toBeGreaterThan(plain * 1.5);
    expect(megabytes({ input: { size: 96, channels: 1 } })).toBeGreaterThan(plain * 2);
    expect(megabytes({ images: 128 + 1_000_000 }) - plain).toBeCloseTo((3 * 48 * 48 * 1e6) / 1e6, 3);
    expect(megabytes({ optimizer: adamw })).toBeGreaterThan(plain);
    const still = optimizerSpec.parse({ name: 'sgd', momentum: 0 });
    expect(megabytes({ optimizer: still })).toBeLessThan(plain);
    const teachers = [
      model('resnet18'),
      { name: 'fused' as const, members: [model('vgg'), model('hybrid')] },
    ];
    expect(megabytes({ teachers })).toBeGreaterThan(plain + 100);
    expect(megabytes({ copies: 1 }) - plain).toBeCloseTo((2 * 4 * 11_172_423) / 1e6, 0);
    expect(megabytes({ passes: 2 })).toBeGreaterThan(plain * 1.5);
  });

  it('refuses pictures that are too small', () => {
    expect(() => megabytes({ input: { size: 31, channels: 1 } })).toThrow(/at least 32/);
  });
});
