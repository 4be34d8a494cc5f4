import type { ModelSpec } from '../models.js';
import type { CostOf } from './cost-of.js';
import { makeDivisible } from './divisible.js';
import { Walk, type ModelInput, type ModelSize } from './walk.js';

/** ResNet-18 (He et al., CVPR 2016, table 1): four stages of two basic blocks; `channels` at width 1. */
export const resnet18Stages = [
  { channels: 64, stride: 1 },
  { channels: 128, stride: 2 },
  { channels: 256, stride: 2 },
  { channels: 512, stride: 2 },
] as const;
export const resnet18BlocksPerStage = 2;

/** That of both: squeeze-and-excitation is all that they differ in. */
function residualCost(
  { name, width, stem, head }: Extract<ModelSpec, { name: 'resnet18' | 'seresnet18' }>,
  { size }: ModelInput,
  classes: number,
): ModelSize {
  const first = makeDivisible(resnet18Stages[0].channels * width);
  const walk = new Walk(size, 3);
  if (stem === 'imagenet') {
    walk.convolution(first, 7, 2);
    walk.size = Math.ceil(walk.size / 2);
  } else {
    walk.convolution(first, 3);
  }
  for (const { channels, stride } of resnet18Stages) {
    const outputs = makeDivisible(channels * width);
    for (let index = 0; index < resnet18BlocksPerStage; index += 1) {
      walk.basicBlock(outputs, index === 0 ? stride : 1);
      if (name === 'seresnet18') walk.squeezeExcite(seresnet18Squeezed(outputs));
    }
  }
  walk.classifier(walk.channels, classes, head);
  return walk;
}

export const resnet18Cost: CostOf<'resnet18'> = residualCost;

/** Channels of the bottleneck of SE-ResNet-18's squeeze-and-excitation: a sixteenth, in eights (timm's). */
export function seresnet18Squeezed(channels: number): number {
  return Math.max(8, Math.floor((channels / 16 + 4) / 8) * 8);
}

export const seresnet18Cost: CostOf<'seresnet18'> = residualCost;
