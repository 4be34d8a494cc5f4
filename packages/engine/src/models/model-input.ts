import { constant, multiply } from '../tensor/index.js';
import type { Layer } from '../nn/index.js';

/** What a network is built for. */
export interface ModelInput {
  /** Pixels on a side of the square picture. */
  readonly size: number;
  /** Channels of the picture: 1 grayscale, 3 RGB. */
  readonly channels: 1 | 3;
  /** Logits; default 7, the emotions. */
  readonly classes?: number;
}

/**
 * Grayscale pictures as three equal channels, inside the graph: a network of torchvision's takes three, so that its
 * ImageNet weights load whatever the pictures are.
 */
export function threeChannels(channels: 1 | 3): Layer {
  if (channels === 3) return (x) => x;
  // A product broadcasts without naming the batch size, so exports keep it free; and it carries gradients.
  return (x) => multiply(x, constant([1, 1, 1], [1, 1, 1, 3], 'float32'));
}
