import type { RandomStream } from '../random/index.js';

/** One picture: uint8 [size, size, channels]. */
export interface Picture {
  readonly pixels: Uint8Array;
  readonly size: number;
  readonly channels: number;
}

/** A corruption by the constants of one severity; the stream is the picture's own. */
export type Corruption<C> = (picture: Picture, constants: C, random: RandomStream) => Uint8Array;

/** A value in [0, 1] as a pixel: clipped and, as CIFAR-10-C's files were written, cut off, not rounded. */
export function toPixel(value: number): number {
  return Math.floor(Math.min(1, Math.max(0, value)) * 255);
}
