import type { LedgerAction, LedgerReason } from '@ferment/contracts';

/** The training pictures as the steps so far left them. Places are those of the parent version. */
export interface WorkingSet {
  /** Training images that remain, ascending. */
  readonly train: readonly number[];
  /** Images that a person decided on: no step removes or relabels them. */
  readonly settled: ReadonlySet<number>;
  labelOf(image: number): number;
  /** size * size greys */
  pictureOf(image: number): Uint8Array;
  readonly size: number;
}

/** What a step would do with one image, before overrides. */
export interface Decision {
  image: number;
  reason: LedgerReason;
  score: number | null;
  action: LedgerAction;
  newLabel?: number;
  of?: number;
}

/** The pictures of some images, one after another. */
export function picturesOf(set: WorkingSet, images: readonly number[]): Uint8Array {
  const stride = set.size * set.size;
  const pixels = new Uint8Array(images.length * stride);
  images.forEach((image, at) => {
    pixels.set(set.pictureOf(image), at * stride);
  });
  return pixels;
}
