import {
  hybridHeads,
  hybridHeadWidth,
  hybridStagesOf,
  hybridStem,
  makeDivisible,
  mobilenetV3LargeBlocks,
  mobilenetV3LargeHidden,
  mobilenetV3LargeStem,
  mobilenetV3LastExpansion,
  resnet18BlocksPerStage,
  resnet18Stages,
  squeezeChannels,
  vggConvolutions,
} from './architectures.js';
import { emotions } from './emotions.js';
import { modelCatalog, type ModelName, type ModelSpec } from './models.js';

export interface ModelCost {
  /** Trainable parameters: batch norm's scale and shift in, running statistics out. */
  parameters: number;
  /** Multiply-accumulates of convolutions and matrix products for one image. */
  macs: number;
}

/** Input of a model: pixels on a side, channels of the picture. */
export interface ModelInput {
  size: number;
  channels: 1 | 3;
}

/** Walks a network layer by layer with the size and channels of the current map. */
class Walk implements ModelCost {
  parameters = 0;
  macs = 0;

  constructor(
    public size: number,
    public channels: number,
  ) {}

  /** A bias-free k x k convolution padded by (k-1)/2, then batch norm. */
  convolution(channels: number, kernel: number, stride = 1): void {
    this.size = Math.ceil(this.size / stride);
    const weights = kernel * kernel * this.channels * channels;
    this.macs += weights * this.size ** 2;
    this.parameters += weights + 2 * channels;
    this.channels = channels;
  }

  /** One k x k filter a channel, then batch norm. */
  depthwise(kernel: number, stride: number): void {
    this.size = Math.ceil(this.size / stride);
    this.macs += kernel * kernel * this.channels * this.size ** 2;
    this.parameters += kernel * kernel * this.channels + 2 * this.channels;
  }

  /** A matrix product with bias, on pooled features or on so many tokens. */
  linear(inputs: number, outputs: number, tokens = 1): void {
    this.macs += inputs * outputs * tokens;
    this.parameters += inputs * outputs + outputs;
  }

  /** A 1x1 convolution to `expanded` channels unless they are there, a depthwise one, perhaps squeeze-excite, 1x1. */
  invertedResidual(
    expanded: number,
    channels: number,
    { kernel, stride, squeeze }: { kernel: number; stride: number; squeeze: boolean },
  ): void {
    if (expanded !== this.channels) this.convolution(expanded, 1);
    this.depthwise(kernel, stride);
    if (squeeze) {
      this.linear(expanded, squeezeChannels(expanded));
      this.linear(squeezeChannels(expanded), expanded);
    }
    this.convolution(channels, 1);
  }

  /** Two layer norms, attention with heads of `inner` channels together, and an MLP, on the map's pixels as tokens. */
  transformerBlock(inner: number, hidden: number): void {
    const { channels } = this;
    const tokens = this.size ** 2;
    this.linear(channels, 3 * inner, tokens);
    this.macs += 2 * tokens ** 2 * inner;
    this.linear(inner, channels, tokens);
    this.linear(channels, hidden, tokens);
    this.linear(hidden, channels, tokens);
    this.parameters += 2 * 2 * channels;
  }
}

type SpecOf<N extends ModelName> = Extract<ModelSpec, { name: N }>;
type Walks = { [N in ModelName]: (model: SpecOf<N>, input: ModelInput, classes: number) => ModelCost };

const walks: Walks = {
  resnet18({ width, stem }, { size }, classes) {
    const first = makeDivisible(resnet18Stages[0].channels * width);
    const walk = new Walk(size, 3);
    if (stem === 'imagenet') {
      walk.convolution(first, 7, 2);
      walk.size = Math.ceil(walk.size / 2);
    } else {
      walk.convolution(first, 3);
    }
    for (const stage of resnet18Stages) {
      for (let index = 0; index < resnet18BlocksPerStage; index += 1) {
        const channels = makeDivisible(stage.channels * width);
        const stride = index === 0 ? stage.stride : 1;
        if (stride !== 1 || channels !== walk.channels) {
          const shortcut = new Walk(walk.size, walk.channels);
          shortcut.convolution(channels, 1, stride);
          walk.parameters += shortcut.parameters;
          walk.macs += shortcut.macs;
        }
        walk.convolution(channels, 3, stride);
        walk.convolution(channels, 3);
      }
    }
    walk.linear(walk.channels, classes);
    return walk;
  },

  'mobilenetv3-large'({ width, stem }, { size }, classes) {
    const walk = new Walk(size, 3);
    walk.convolution(makeDivisible(mobilenetV3LargeStem * width), 3, stem === 'imagenet' ? 2 : 1);
    for (const block of mobilenetV3LargeBlocks) {
      walk.invertedResidual(makeDivisible(block.expanded * width), makeDivisible(block.out * width), block);
    }
    walk.convolution(mobilenetV3LastExpansion * walk.channels, 1);
    const hidden = makeDivisible(mobilenetV3LargeHidden * width);
    walk.linear(walk.channels, hidden);
    walk.linear(hidden, classes);
    return walk;
  },

  vgg({ width }, { size, channels }, classes) {
    const walk = new Walk(size, channels);
    for (const layer of vggConvolutions) {
      walk.convolution(makeDivisible(layer.channels * width), 3, layer.stride);
    }
    walk.linear(walk.channels, classes);
    return walk;
  },

  hybrid({ width, transformer, depth }, { size, channels }, classes) {
    const walk = new Walk(size, channels);
    const options = { kernel: 3, squeeze: true };
    walk.convolution(makeDivisible(hybridStem * width), 3, 2);
    for (const { stage, count } of hybridStagesOf(depth)) {
      const { stride, expansion, blocks } = stage;
      const outputs = makeDivisible(stage.channels * width);
      walk.invertedResidual(expansion * walk.channels, outputs, { ...options, stride });
      if (!blocks || count === 0) continue;
      for (let block = 0; block < count; block += 1) {
        if (transformer) {
          const inner = hybridHeads * hybridHeadWidth(blocks.headWidth, width);
          walk.transformerBlock(inner, blocks.mlpRatio * outputs);
        } else {
          walk.invertedResidual(blocks.expansion * outputs, outputs, { ...options, stride: 1 });
        }
      }
      // Positions, and the layer norm after the last block.
      if (transformer) walk.parameters += (walk.size ** 2 + 2) * outputs;
    }
    walk.linear(walk.channels, classes);
    return walk;
  },
};

/**
 * Exact parameters and multiply-accumulates of a model, from its specification alone: what a preview shows before
 * anything is built. The engine's counts from the captured graph agree (tested there).
 *
 * @throws RangeError below the model's smallest input size
 */
export function estimateModelCost(
  model: ModelSpec,
  input: ModelInput,
  classes: number = emotions.length,
): ModelCost {
  const { minimumSize } = modelCatalog[model.name];
  if (input.size < minimumSize) {
    throw new RangeError(`${model.name}: size ${input.size} is too small; expected at least ${minimumSize}`);
  }
  // The name chooses the entry for this very specification, which the type system cannot correlate.
  const walk = walks[model.name] as (model: ModelSpec, input: ModelInput, classes: number) => ModelCost;
  const { parameters, macs } = walk(model, input, classes);
  return { parameters, macs };
}
