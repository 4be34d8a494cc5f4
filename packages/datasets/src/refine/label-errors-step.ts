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
  { action, most }: RefineOptions<'labelErrors'>,
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
  const { flagged, guesses, normalisedMargin } = findLabelErrors(labels, own, classes);
  const found = set.train.flatMap((image, at) =>
    flagged[at] === 0
      ? []
      : [{ image, score: normalisedMargin[at] as number, newLabel: guesses[at] as number }],
  );
  // The least sure first; of equally sure ones the earlier image.
  const bySureness = found.toSorted((a, b) => a.score - b.score || a.image - b.image);
  const acted = new Set(bySureness.slice(0, Math.floor(most * set.train.length)).map(({ image }) => image));
  return found.map((each): Decision => ({
    ...each,
    reason: 'label',
    action: acted.has(each.image) ? action : 'review',
  }));
}
