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

/** The hybrid student's stem: a 3x3 convolution of stride 2 with so many channels at width 1. */
export const hybridStem = 32;
/** Heads of every attention. Widths of heads follow the model's width, so any width goes. */
export const hybridHeads = 4;

/**
 * A stage of the hybrid student: an inverted residual that opens it, then blocks in a row, either transformer blocks
 * (`headWidth`, `mlpRatio`) or in their ablation inverted residuals (`expansion`).
 */
export interface HybridStage {
  /** At width 1. */
  readonly channels: number;
  readonly stride: 1 | 2;
  /** Of the inverted residual that opens the stage, over the channels that enter it. */
  readonly expansion: number;
  readonly blocks: {
    readonly headWidth: number;
    readonly mlpRatio: number;
    readonly expansion: number;
  } | null;
}

/**
 * The hybrid student's stages after its stem; pictures of 48 pixels give maps of 24, 12 and 6. Heads of the full width
 * (24) would put the transformer blocks alone at 36 MMACs, beyond what the whole student may cost; heads are 16 wide.
 * The ablation's inverted residuals cost about what the transformer blocks do.
 */
export const hybridStages: readonly HybridStage[] = [
  { channels: 64, stride: 1, expansion: 4, blocks: null },
  { channels: 96, stride: 2, expansion: 1, blocks: { headWidth: 16, mlpRatio: 1, expansion: 3 } },
  { channels: 160, stride: 2, expansion: 1, blocks: { headWidth: 16, mlpRatio: 1, expansion: 2 } },
];

/** Each stage with the number of its blocks, from the depths of the two stages that have blocks. */
export function hybridStagesOf(depth: readonly [number, number]): { stage: HybridStage; count: number }[] {
  const depths = [...depth];
  return hybridStages.map((stage) => ({ stage, count: stage.blocks ? (depths.shift() ?? 0) : 0 }));
}

/** Width of a head at a width of the model: a multiple of 4. */
export function hybridHeadWidth(headWidth: number, width: number): number {
  return makeDivisible(headWidth * width, 4);
}
