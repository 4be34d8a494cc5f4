/**
 * Where a row of the source belongs. `Test` marks the rows of `test.csv`, which carry no label; `Undivided` the
 * pictures of a source that names no splits.
 */
export const usages = ['Training', 'PublicTest', 'PrivateTest', 'Test', 'Undivided'] as const;
export type Usage = (typeof usages)[number];

/** A usage as it is stored: its index in {@link usages}. */
export const usageCode = {
  Training: 0,
  PublicTest: 1,
  PrivateTest: 2,
  Test: 3,
  Undivided: 4,
} as const satisfies Record<Usage, number>;

/** The label of an image that has none. */
export const unlabelled = -1;

/** Side of a FER2013 picture in pixels, and the pixels of one picture. */
export const faceSize = 48;
export const facePixels = faceSize * faceSize;
