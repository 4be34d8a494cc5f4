import type { HeadSpec } from '../models.js';

export interface ModelCost {
  /** Trainable parameters: batch norm's scale and shift in, running statistics out. */
  parameters: number;
  /** Multiply-accumulates of convolutions and matrix products for one image. */
  macs: number;
}

/** What a training's memory depends on besides. */
export interface ModelSize extends ModelCost {
  /** Values that convolutions, and matrix products on pooled features, give for one image. */
  activations: number;
  /** Values that matrix products on tokens and attention give for one image. */
  tokenValues: number;
  /** The most that one layer gives for one image. */
  largestLayer: number;
  /** Layers counted so: the graph grows with them. */
  layers: number;
}

/** Input of a model: pixels on a side, channels of the picture. */
export interface ModelInput {
  size: number;
  channels: 1 | 3;
}

/** Walks a network layer by layer with the size and channels of the current map. */
export class Walk implements ModelSize {
  parameters = 0;
  macs = 0;
  activations = 0;
  tokenValues = 0;
  largestLayer = 0;
  layers = 0;

  constructor(
    public size: number,
    public channels: number,
  ) {}

  /** A layer has given so many values. */
  gives(values: number, kind: 'activations' | 'tokenValues' = 'activations'): void {
    this[kind] += values;
    this.largestLayer = Math.max(this.largestLayer, values);
    this.layers += 1;
  }

  /** A k x k convolution padded by (k-1)/2, then batch norm. */
  convolution(channels: number, kernel: number, stride = 1, { bias = false } = {}): void {
    this.size = Math.ceil(this.size / stride);
    const weights = kernel * kernel * this.channels * channels;
    this.macs += weights * this.size ** 2;
    this.parameters += weights + (bias ? 3 : 2) * channels;
    this.channels = channels;
    this.gives(channels * this.size ** 2);
  }

  /** What runs beside the network's line, from the same map: a projection of a shortcut, a branch. */
  beside(work: (walk: Walk) => void): void {
    const other = new Walk(this.size, this.channels);
    work(other);
    this.parameters += other.parameters;
    this.macs += other.macs;
    this.activations += other.activations;
    this.tokenValues += other.tokenValues;
    this.largestLayer = Math.max(this.largestLayer, other.largestLayer);
    this.layers += other.layers;
  }

  /** One k x k filter a channel, then batch norm. */
  depthwise(kernel: number, stride: number): void {
    this.size = Math.ceil(this.size / stride);
    this.macs += kernel * kernel * this.channels * this.size ** 2;
    this.parameters += kernel * kernel * this.channels + 2 * this.channels;
    this.gives(this.channels * this.size ** 2);
  }

  /** A matrix product with bias, on pooled features or on so many tokens. */
  linear(inputs: number, outputs: number, tokens = 1): void {
    this.macs += inputs * outputs * tokens;
    this.parameters += inputs * outputs + outputs;
    this.gives(outputs * tokens, tokens === 1 ? 'activations' : 'tokenValues');
  }

  /** The last layer, from features to logits. */
  classifier(inputs: number, classes: number, head: HeadSpec | undefined): void {
    if (!head) this.linear(inputs, classes);
    else {
      this.linear(inputs, head.embedding);
      this.macs += head.embedding * classes;
      this.parameters += head.embedding * classes;
      this.gives(classes);
    }
  }

  /** Two layers with bias on the map's mean. */
  squeezeExcite(squeezed: number): void {
    this.linear(this.channels, squeezed);
    this.linear(squeezed, this.channels);
  }

  /** Two 3x3 convolutions and a shortcut, a 1x1 projection where the shape changes. */
  basicBlock(channels: number, stride: number, { bias = false } = {}): void {
    if (stride !== 1 || channels !== this.channels)
      this.beside((walk) => walk.convolution(channels, 1, stride, { bias }));
    this.convolution(channels, 3, stride, { bias });
    this.convolution(channels, 3, 1, { bias });
  }

  /** A 1x1 convolution to `expanded` channels unless they are there, a depthwise one, perhaps squeeze-excite, 1x1. */
  invertedResidual(
    expanded: number,
    channels: number,
    { kernel, stride, squeezed }: { kernel: number; stride: number; squeezed: number | null },
  ): void {
    if (expanded !== this.channels) this.convolution(expanded, 1);
    this.depthwise(kernel, stride);
    if (squeezed !== null) this.squeezeExcite(squeezed);
    this.convolution(channels, 1);
  }

  /** A k x k convolution with bias and a padding of its own. */
  patches(channels: number, kernel: number, stride: number, padding: number): void {
    const inputs = this.channels;
    this.size = Math.floor((this.size + 2 * padding - kernel) / stride) + 1;
    this.macs += kernel * kernel * inputs * channels * this.size ** 2;
    this.parameters += kernel * kernel * inputs * channels + channels;
    this.channels = channels;
    this.gives(channels * this.size ** 2);
  }

  /** Two layer norms, attention with `heads` of `inner` channels together, and an MLP, on the map's pixels as tokens. */
  transformerBlock(heads: number, inner: number, hidden: number): void {
    const { channels } = this;
    const tokens = this.size ** 2;
    this.linear(channels, 3 * inner, tokens);
    this.macs += 2 * tokens ** 2 * inner;
    this.gives(heads * tokens ** 2, 'tokenValues');
    this.gives(tokens * inner, 'tokenValues');
    this.linear(inner, channels, tokens);
    this.linear(channels, hidden, tokens);
    this.linear(hidden, channels, tokens);
    this.parameters += 2 * 2 * channels;
  }
}
