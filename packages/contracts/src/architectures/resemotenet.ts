import type { CostOf } from './cost-of.js';
import { makeDivisible } from './divisible.js';
import { Walk } from './walk.js';

/** ResEmoteNet's first convolutions, all 3x3 with a max pool of 2 after each; channels at width 1. */
export const resEmoteNetConvolutions = [64, 128, 256] as const;
/** The bottleneck of its squeeze-and-excitation is this part of the channels. */
export const resEmoteNetReduction = 16;
/** Channels of its residual blocks, each of stride 2. */
export const resEmoteNetResiduals = [512, 1024, 2048] as const;
/** Its hidden linear layers. */
export const resEmoteNetHidden = [1024, 512, 256] as const;

export const resEmoteNetCost: CostOf<'resemotenet'> = (model, { size }, classes) => {
  const { width, squeeze, withoutConvolutions, withoutResiduals } = model;
  const walk = new Walk(size, 3);
  const bias = { bias: true };
  for (const channels of resEmoteNetConvolutions.slice(withoutConvolutions)) {
    walk.convolution(makeDivisible(channels * width), 3, 1, bias);
    walk.size = Math.floor(walk.size / 2);
  }
  if (squeeze) {
    const weights = 2 * walk.channels * Math.floor(walk.channels / resEmoteNetReduction);
    walk.parameters += weights;
    walk.macs += weights;
  }
  for (const channels of resEmoteNetResiduals.slice(withoutResiduals))
    walk.basicBlock(makeDivisible(channels * width), 2, bias);
  for (const hidden of resEmoteNetHidden) {
    const outputs = makeDivisible(hidden * width);
    walk.linear(walk.channels, outputs);
    walk.channels = outputs;
  }
  walk.classifier(walk.channels, classes, model.head);
  return walk;
};
