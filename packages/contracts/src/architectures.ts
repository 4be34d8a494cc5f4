/**
 * The layer tables of the architectures: one source for the networks that the engine builds and for the costs that a
 * preview shows.
 */

/**
 * The nearest multiple of `divisor` to `channels`, at least `divisor`, and never more than 10 % below `channels`
 * (torchvision's `_make_divisible`).
 */
export function makeDivisible(channels: number, divisor = 8): number {
  const rounded = Math.max(divisor, Math.floor((channels + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * channels ? rounded + divisor : rounded;
}

/** ResNet-18 (He et al., CVPR 2016, table 1): four stages of two basic blocks; `channels` at width 1. */
export const resnet18Stages = [
  { channels: 64, stride: 1 },
  { channels: 128, stride: 2 },
  { channels: 256, stride: 2 },
  { channels: 512, stride: 2 },
] as const;
export const resnet18BlocksPerStage = 2;

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
