import type { LedgerReason, RefineOptions } from '@ferment/contracts';
import { pictureQuality } from './quality.js';
import { picturesOf, type Decision, type WorkingSet } from './working-set.js';

/**
 * Blank pictures by threshold; then of the others the asked-for fractions, the worst first: the most blurred, the worst
 * exposed, those of least contrast. Fractions are of the pictures that are not blank, rounded down; a picture that is
 * bad in several ways is named for the first.
 */
export function quality(set: WorkingSet, options: RefineOptions<'quality'>): Decision[] {
  const { contrast, sharpness, exposure } = pictureQuality(picturesOf(set, set.train), set.size);
  const all = [...set.train.keys()];
  const blank = all.filter((at) => (contrast[at] as number) <= options.blank);
  const empty = new Set(blank);
  const rest = all.filter((at) => !empty.has(at));
  const worst = (fraction: number, badness: (at: number) => number): number[] =>
    [...rest].sort((a, b) => badness(b) - badness(a) || a - b).slice(0, Math.floor(fraction * rest.length));
  const ways: { reason: LedgerReason; images: number[]; scores: Float64Array }[] = [
    { reason: 'blank', images: blank, scores: contrast },
    { reason: 'blur', images: worst(options.blur, (at) => -(sharpness[at] as number)), scores: sharpness },
    { reason: 'exposure', images: worst(options.exposure, (at) => exposure[at] as number), scores: exposure },
    {
      reason: 'contrast',
      images: worst(options.contrast, (at) => -(contrast[at] as number)),
      scores: contrast,
    },
  ];
  const named = new Map<number, Decision>();
  for (const { reason, images, scores } of ways) {
    for (const at of images) {
      if (named.has(at)) continue;
      const image = set.train[at] as number;
      named.set(at, { image, reason, score: scores[at] as number, action: 'remove' });
    }
  }
  return [...named.values()];
}
