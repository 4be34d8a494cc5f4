import type { CostOf } from './cost-of.js';
import { makeDivisible } from './divisible.js';
import { Walk } from './walk.js';

/** One stage of inverted residuals of EfficientNet-B0; the first has the stride. */
interface EfficientNetStage {
  readonly expansion: 1 | 6;
  readonly kernel: 3 | 5;
  readonly stride: 1 | 2;
  readonly channels: number;
  readonly layers: number;
}

const stage = (
  expansion: 1 | 6,
  kernel: 3 | 5,
  stride: 1 | 2,
  channels: number,
  layers: number,
): EfficientNetStage => ({ expansion, kernel, stride, channels, layers });

/** EfficientNet-B0 (Tan & Le, ICML 2019, table 1), which B3 widens and deepens. */
const stagesB0: readonly EfficientNetStage[] = [
  stage(1, 3, 1, 16, 1),
  stage(6, 3, 2, 24, 2),
  stage(6, 5, 2, 40, 2),
  stage(6, 3, 2, 80, 3),
  stage(6, 5, 1, 112, 3),
  stage(6, 5, 2, 192, 4),
  stage(6, 3, 1, 320, 1),
];
const stemB0 = 32;
/** B3's factors. */
const widthB3 = 1.2;
const depthB3 = 1.4;
/** The last convolution widens the last stage's channels by this factor. */
export const efficientNetLastExpansion = 4;

/** One inverted residual, with the channels that it has at a width of the model. */
export interface EfficientNetBlock {
  readonly stage: number;
  readonly inputs: number;
  readonly expanded: number;
  readonly outputs: number;
  readonly kernel: 3 | 5;
  readonly stride: 1 | 2;
  /** Channels of its squeeze-and-excitation's bottleneck: a quarter of what enters the block. */
  readonly squeezed: number;
}

/** EfficientNet-B3's stem and blocks, its channels times `width`, in torchvision's rounding. */
export function efficientNetB3(width: number): { stem: number; blocks: EfficientNetBlock[] } {
  const stem = makeDivisible(stemB0 * widthB3 * width);
  let inputs = stem;
  const blocks = stagesB0.flatMap(({ expansion, kernel, stride, channels, layers }, index) =>
    Array.from({ length: Math.ceil(layers * depthB3) }, (_, layer): EfficientNetBlock => {
      const entering = inputs;
      inputs = makeDivisible(channels * widthB3 * width);
      return {
        stage: index,
        inputs: entering,
        expanded: makeDivisible(entering * expansion),
        outputs: inputs,
        kernel,
        stride: layer === 0 ? stride : 1,
        squeezed: Math.max(1, Math.floor(entering / 4)),
      };
    }),
  );
  return { stem, blocks };
}

export const efficientNetB3Cost: CostOf<'efficientnet-b3'> = ({ width, stem, head }, { size }, classes) => {
  const walk = new Walk(size, 3);
  const { stem: first, blocks } = efficientNetB3(width);
  walk.convolution(first, 3, stem === 'imagenet' ? 2 : 1);
  for (const block of blocks) walk.invertedResidual(block.expanded, block.outputs, block);
  walk.convolution(efficientNetLastExpansion * walk.channels, 1);
  walk.classifier(walk.channels, classes, head);
  return walk;
};
