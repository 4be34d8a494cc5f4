import type { CostOf } from './cost-of.js';
import { makeDivisible } from './divisible.js';
import { Walk } from './walk.js';

/** ShuffleNetV2 (Ma et al., ECCV 2018, table 5, 1x): its stem's channels, its stages, its last convolution. */
export const shuffleNetV2Stem = 24;
export const shuffleNetV2Stages = [
  { channels: 116, units: 4 },
  { channels: 232, units: 8 },
  { channels: 464, units: 4 },
] as const;
export const shuffleNetV2Last = 1024;

/** Channels of a stage at a width: two halves, each even. */
export function shuffleNetV2Channels(channels: number, width: number): number {
  return makeDivisible(channels * width, 4);
}

export const shuffleNetV2Cost: CostOf<'shufflenetv2'> = ({ width, stem, head }, { size }, classes) => {
  const walk = new Walk(size, 3);
  walk.convolution(makeDivisible(shuffleNetV2Stem * width), 3, stem === 'imagenet' ? 2 : 1);
  if (stem === 'imagenet') walk.size = Math.ceil(walk.size / 2);
  for (const { channels, units } of shuffleNetV2Stages) {
    const half = shuffleNetV2Channels(channels, width) / 2;
    for (let unit = 0; unit < units; unit += 1) {
      const stride = unit === 0 ? 2 : 1;
      if (unit === 0)
        walk.beside((branch) => {
          branch.depthwise(3, 2);
          branch.convolution(half, 1);
        });
      else walk.channels = half;
      walk.convolution(half, 1);
      walk.depthwise(3, stride);
      walk.convolution(half, 1);
      walk.channels = 2 * half;
    }
  }
  walk.convolution(makeDivisible(shuffleNetV2Last * width), 1);
  walk.classifier(walk.channels, classes, head);
  return walk;
};
