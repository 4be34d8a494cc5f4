import { emotions, type RefineOptions } from '@ferment/contracts';
import { findLabelErrors } from './label-errors.js';
import type { Decision, WorkingSet } from './working-set.js';

/** What networks say about training images that they never saw. */
export interface OutOfFold {
  /** Places of the images in the parent version. */
  images: Int32Array;
  /** For each of them seven probabilities. */
  probabilities: Float32Array;
}

/**
 * Images whose label confident learning takes for wrong.
 *
 * @throws Error where a training image has no prediction
 */
export function labelErrors(
  set: WorkingSet,
  { action }: RefineOptions<'labelErrors'>,
  { images, probabilities }: OutOfFold,
): Decision[] {
  const classes = emotions.length;
  const rows = new Map(Array.from(images, (image, row) => [image, row]));
  const own = new Float64Array(set.train.length * classes);
  set.train.forEach((image, at) => {
    const row = rows.get(image);
    if (row === undefined) throw new Error(`no out-of-fold prediction of training image ${image}`);
    own.set(probabilities.subarray(row * classes, (row + 1) * classes), at * classes);
  });
  const labels = Int32Array.from(set.train, (image) => set.labelOf(image));
  const found = findLabelErrors(labels, own, classes);
  return set.train.flatMap((image, at): Decision[] => {
    if (found.flagged[at] === 0) return [];
    const [score, newLabel] = [found.normalisedMargin[at] as number, found.guesses[at] as number];
    return [{ image, reason: 'label', score, action, newLabel }];
  });
}
