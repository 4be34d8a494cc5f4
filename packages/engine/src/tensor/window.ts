import { attribute, type Attributes } from '../capture/graph-def.js';

/** Stride and symmetric zero padding, the same in both directions, as PyTorch's square convolutions have them. */
export interface Window {
  readonly stride: number;
  readonly padding: number;
}

export function windowSize(size: number, kernel: number, { stride, padding }: Window): number {
  return Math.floor((size + 2 * padding - kernel) / stride) + 1;
}

/**
 * TensorFlow's SAME pads unevenly at stride 2 where PyTorch pads evenly, so the padding is spelled out. At stride 1
 * with (kernel - 1) / 2 both agree, and the shorter spelling reaches more fused kernels.
 */
export function paddingAttributes(kernel: number, { stride, padding }: Window): Attributes {
  if (padding === 0) return { padding: attribute.string('VALID') };
  if (stride === 1 && padding === (kernel - 1) / 2) return { padding: attribute.string('SAME') };
  return explicitPadding({ padding });
}

export function explicitPadding({ padding }: Pick<Window, 'padding'>): Attributes {
  return {
    padding: attribute.string('EXPLICIT'),
    explicit_paddings: attribute.ints([0, 0, padding, padding, padding, padding, 0, 0]),
  };
}

/** The part of a side of a filter, `from` (inclusive) `to` (exclusive), that ever lies on a picture of this size. */
export function touching(size: number, kernel: number, window: Window): { from: number; to: number } {
  const { stride, padding } = window;
  const windows = windowSize(size, kernel, window);
  // The first window is the furthest out at the beginning of the side, the last one at its end.
  return { from: Math.max(0, padding - (windows - 1) * stride), to: Math.min(kernel, padding + size) };
}
