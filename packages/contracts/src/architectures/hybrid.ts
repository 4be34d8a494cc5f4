import type { CostOf } from './cost-of.js';
import { makeDivisible } from './divisible.js';
import { squeezeChannels } from './mobilenetv3-large.js';
import { Walk } from './walk.js';

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

export const hybridCost: CostOf<'hybrid'> = (
  { width, transformer, depth, head },
  { size, channels },
  classes,
) => {
  const walk = new Walk(size, channels);
  walk.convolution(makeDivisible(hybridStem * width), 3, 2);
  for (const { stage, count } of hybridStagesOf(depth)) {
    const { stride, expansion, blocks } = stage;
    const outputs = makeDivisible(stage.channels * width);
    const opening = expansion * walk.channels;
    walk.invertedResidual(opening, outputs, { kernel: 3, stride, squeezed: squeezeChannels(opening) });
    if (!blocks || count === 0) continue;
    for (let block = 0; block < count; block += 1) {
      if (transformer) {
        const inner = hybridHeads * hybridHeadWidth(blocks.headWidth, width);
        walk.transformerBlock(hybridHeads, inner, blocks.mlpRatio * outputs);
      } else {
        const expanded = blocks.expansion * outputs;
        walk.invertedResidual(expanded, outputs, {
          kernel: 3,
          stride: 1,
          squeezed: squeezeChannels(expanded),
        });
      }
    }
    // Positions, and the layer norm after the last block.
    if (transformer) walk.parameters += (walk.size ** 2 + 2) * outputs;
  }
  walk.classifier(walk.channels, classes, head);
  return walk;
};
