import { describe, expect, it } from '@jest/globals';
import { estimateModelCost, modelNames, modelSpec } from '@ferment/contracts';
import { modelCost } from '../src/cost/index.js';

describe('modelCost', () => {
  // Published in MMACs for three channels, rounded to the digits given.
  it.each([
    ['resnet18', 'imagenet', 48, 98, 0],
    ['resnet18', 'imagenet', 224, 1814, 0],
    ['resnet18', 'small', 48, 1250, 0],
    ['mobilenetv3-large', 'imagenet', 48, 14.2, 1],
    ['mobilenetv3-large', 'imagenet', 112, 59.4, 1],
    ['efficientnet-b3', 'imagenet', 48, 57.9, 1],
    ['efficientnet-b3', 'imagenet', 224, 961, 0],
    ['convnext-tiny', 'imagenet', 48, 185, 0],
    ['convnext-tiny', 'imagenet', 224, 4455, 0],
    ['resemotenet', undefined, 48, 242, 0],
    ['resemotenet', undefined, 64, 337, 0],
  ] as const)('counts %s with the %s stem at %i pixels', async (name, stem, size, expected, digits) => {
    const { macs } = await modelCost(modelSpec.parse({ name, ...(stem && { stem }) }), size, 3);
    expect(Number((macs / 1e6).toFixed(digits))).toBe(expected);
  });

  const specs = [0.25, 0.5, 0.75, 1, 1.3].flatMap((width) => [
    modelSpec.parse({ name: 'resnet18', stem: 'imagenet', width }),
    modelSpec.parse({ name: 'resnet18', stem: 'small', width }),
    modelSpec.parse({ name: 'mobilenetv3-large', stem: 'imagenet', width }),
    modelSpec.parse({ name: 'mobilenetv3-large', stem: 'small', width }),
    modelSpec.parse({ name: 'vgg', width }),
    ...['seresnet18', 'efficientnet-b3', 'convnext-tiny', 'shufflenetv2'].flatMap((name) =>
      ['imagenet', 'small'].map((stem) => modelSpec.parse({ name, stem, width })),
    ),
    modelSpec.parse({ name: 'resemotenet', width }),
    modelSpec.parse({ name: 'resemotenet', width, squeeze: false, withoutConvolutions: 1 }),
    modelSpec.parse({ name: 'resemotenet', width, withoutConvolutions: 2, withoutResiduals: 2 }),
    modelSpec.parse({ name: 'hybrid', width }),
    modelSpec.parse({ name: 'hybrid', width, transformer: false, depth: [3, 0] }),
    ...modelNames.map((name) => modelSpec.parse({ name, width, head: { name: 'arcface', embedding: 24 } })),
  ]);

  it.each(specs)('counts in the captured graph what a preview computes: %j', async (spec) => {
    for (const size of [32, 33, 45, 48, 64, 112]) {
      for (const channels of [1, 3] as const) {
        const counted = await modelCost(spec, size, channels);
        expect(counted).toEqual(estimateModelCost(spec, { size, channels }));
      }
    }
  });
});
