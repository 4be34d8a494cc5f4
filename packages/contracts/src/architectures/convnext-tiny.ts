import type { CostOf } from './cost-of.js';
import { makeDivisible } from './divisible.js';
import { Walk } from './walk.js';

/** ConvNeXt-Tiny (Liu et al., CVPR 2022): channels at width 1 and blocks of its four stages. */
export const convNeXtTinyStages = [
  { channels: 96, blocks: 3 },
  { channels: 192, blocks: 3 },
  { channels: 384, blocks: 9 },
  { channels: 768, blocks: 3 },
] as const;
export const convNeXtKernel = 7;
export const convNeXtMlpRatio = 4;

/** The first convolution's window: patches of 4 x 4, side by side or, for small pictures, every second pixel. */
export const convNeXtStems = {
  imagenet: { stride: 4, padding: 0 },
  small: { stride: 2, padding: 1 },
} as const;

export const convNeXtTinyCost: CostOf<'convnext-tiny'> = ({ width, stem, head }, { size }, classes) => {
  const walk = new Walk(size, 3);
  const { stride, padding } = convNeXtStems[stem];
  convNeXtTinyStages.forEach(({ channels, blocks }, index) => {
    const outputs = makeDivisible(channels * width);
    // Layer norms: after the stem, and before each reduction.
    if (index === 0) walk.patches(outputs, 4, stride, padding);
    walk.parameters += 2 * walk.channels;
    if (index > 0) walk.patches(outputs, 2, 2, 0);
    for (let block = 0; block < blocks; block += 1) {
      const depthwise = convNeXtKernel ** 2 * outputs;
      walk.macs += depthwise * walk.size ** 2;
      walk.gives(outputs * walk.size ** 2);
      // Its bias, the layer norm and the scale of the layer.
      walk.parameters += depthwise + 4 * outputs;
      walk.linear(outputs, convNeXtMlpRatio * outputs, walk.size ** 2);
      walk.linear(convNeXtMlpRatio * outputs, outputs, walk.size ** 2);
    }
  });
  walk.parameters += 2 * walk.channels;
  walk.classifier(walk.channels, classes, head);
  return walk;
};
