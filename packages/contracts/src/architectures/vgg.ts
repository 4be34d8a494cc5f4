import type { CostOf } from './cost-of.js';
import { makeDivisible } from './divisible.js';
import { Walk } from './walk.js';

/** The plain network's convolutions, all 3x3; `channels` at width 1. */
export const vggConvolutions = [
  { channels: 32, stride: 1 },
  { channels: 32, stride: 2 },
  { channels: 64, stride: 1 },
  { channels: 64, stride: 2 },
  { channels: 128, stride: 1 },
  { channels: 128, stride: 2 },
  { channels: 256, stride: 2 },
] as const;

export const vggCost: CostOf<'vgg'> = ({ width, head }, { size, channels }, classes) => {
  const walk = new Walk(size, channels);
  for (const layer of vggConvolutions) {
    walk.convolution(makeDivisible(layer.channels * width), 3, layer.stride);
  }
  walk.classifier(walk.channels, classes, head);
  return walk;
};
