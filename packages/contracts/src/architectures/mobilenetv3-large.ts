import type { CostOf } from './cost-of.js';
import { makeDivisible } from './divisible.js';
import { Walk } from './walk.js';

/** One inverted residual block; channels at width 1. */
export interface InvertedResidual {
  readonly kernel: 3 | 5;
  readonly expanded: number;
  readonly out: number;
  readonly squeeze: boolean;
  readonly activation: 'relu' | 'hardSwish';
  readonly stride: 1 | 2;
}

function block(
  kernel: 3 | 5,
  expanded: number,
  out: number,
  squeeze: boolean,
  activation: 'relu' | 'hardSwish',
  stride: 1 | 2,
): InvertedResidual {
  return { kernel, expanded, out, squeeze, activation, stride };
}

/** MobileNetV3-Large (Howard et al., ICCV 2019, table 1), between its stem and its last convolution. */
export const mobilenetV3LargeBlocks: readonly InvertedResidual[] = [
  block(3, 16, 16, false, 'relu', 1),
  block(3, 64, 24, false, 'relu', 2),
  block(3, 72, 24, false, 'relu', 1),
  block(5, 72, 40, true, 'relu', 2),
  block(5, 120, 40, true, 'relu', 1),
  block(5, 120, 40, true, 'relu', 1),
  block(3, 240, 80, false, 'hardSwish', 2),
  block(3, 200, 80, false, 'hardSwish', 1),
  block(3, 184, 80, false, 'hardSwish', 1),
  block(3, 184, 80, false, 'hardSwish', 1),
  block(3, 480, 112, true, 'hardSwish', 1),
  block(3, 672, 112, true, 'hardSwish', 1),
  block(5, 672, 160, true, 'hardSwish', 2),
  block(5, 960, 160, true, 'hardSwish', 1),
  block(5, 960, 160, true, 'hardSwish', 1),
];
export const mobilenetV3LargeStem = 16;
/** The last convolution widens the last block's channels by this factor. */
export const mobilenetV3LastExpansion = 6;
export const mobilenetV3LargeHidden = 1280;

/** Channels of a squeeze-excite block's bottleneck (torchvision: a quarter, rounded). */
export function squeezeChannels(expanded: number): number {
  return makeDivisible(Math.floor(expanded / 4));
}

export const mobilenetV3LargeCost: CostOf<'mobilenetv3-large'> = (
  { width, stem, head },
  { size },
  classes,
) => {
  const walk = new Walk(size, 3);
  walk.convolution(makeDivisible(mobilenetV3LargeStem * width), 3, stem === 'imagenet' ? 2 : 1);
  for (const block of mobilenetV3LargeBlocks) {
    const expanded = makeDivisible(block.expanded * width);
    const squeezed = block.squeeze ? squeezeChannels(expanded) : null;
    walk.invertedResidual(expanded, makeDivisible(block.out * width), { ...block, squeezed });
  }
  walk.convolution(mobilenetV3LastExpansion * walk.channels, 1);
  const hidden = makeDivisible(mobilenetV3LargeHidden * width);
  walk.linear(walk.channels, hidden);
  walk.classifier(hidden, classes, head);
  return walk;
};
