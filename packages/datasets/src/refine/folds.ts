import { emotions, JobFailure } from '@ferment/contracts';
import { hashKey } from '../clusters.js';
import type { Annotations } from '../protocols.js';
import { Random } from '../random.js';

const foldSeed = 0;

/**
 * Divides images into folds: each class in proportion, exact copies in one fold (and all pictures of a person, where
 * the version says who is in them), seed 0. The division depends on the
 * pictures, not on the order of the rows.
 *
 * @param data   what the version says of its images
 * @param images indices into the version, such as those of the training split
 * @param count  how many folds
 * @param groups images with equal numbers stay together (default: people, else exact copies)
 * @returns for each of `images` its fold, from 0
 * @throws JobFailure `user` where there are fewer groups than folds
 */
export function foldsOf(
  data: Pick<Annotations, 'labels' | 'hashes' | 'clusters' | 'people'>,
  images: Int32Array,
  count: number,
  groups: ArrayLike<number> = data.people?.subjects ?? data.clusters,
): Int32Array {
  const members = new Map<number, number[]>();
  images.forEach((image, at) => {
    const group = groups[image] as number;
    const known = members.get(group);
    if (known === undefined) members.set(group, [at]);
    else known.push(at);
  });
  if (members.size < count) {
    throw new JobFailure(
      'user',
      `${images.length} training images in ${members.size} groups of copies cannot make ${count} folds. Ask for fewer folds or take more images.`,
    );
  }
  const keyed = [...members.values()].map((places) => {
    const keys = places.map((at) => hashKey(data.hashes, images[at] as number)).sort();
    const wanted = emotions.map(
      (_, label) => places.filter((at) => data.labels[images[at] as number] === label).length,
    );
    return { places, wanted, key: keys[0] as string };
  });
  // By pixel hash first, so that the shuffle starts from the same order for any order of the rows.
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const shuffled = Random.seeded(foldSeed).shuffle(keyed);
  // Large groups while every fold still has room for them; the sort is stable.
  shuffled.sort((a, b) => b.places.length - a.places.length);
  const held = Array.from({ length: count }, () => ({ total: 0, classes: emotions.map(() => 0) }));
  const result = new Int32Array(images.length);
  for (const { places, wanted } of shuffled) {
    const load = ({ classes }: (typeof held)[number]): number =>
      wanted.reduce((sum, own, label) => sum + own * (classes[label] ?? 0), 0);
    const fold = held.reduce((best, each) =>
      (load(each) - load(best) || each.total - best.total) < 0 ? each : best,
    );
    fold.total += places.length;
    wanted.forEach((own, label) => {
      fold.classes[label] = (fold.classes[label] ?? 0) + own;
    });
    for (const at of places) result[at] = held.indexOf(fold);
  }
  return result;
}
