import { emotions, type RefineOptions } from '@ferment/contracts';
import { clustersOf, pixelHashes } from '../clusters.js';
import { groupsOf } from './groups.js';
import { hammingDistance, nearPairs, type NearPair } from './near.js';
import { pictureHashes } from './picture-hash.js';
import { picturesOf, type Decision, type WorkingSet } from './working-set.js';

/** Numbers here are places in the list of training images, not in the version. */
interface Copies {
  /** For each image the first of its cluster. */
  clusters: Int32Array;
  /** Pairs that are close, yet not close enough to be copies. */
  near: NearPair[];
  distance(a: number, b: number): number;
}

/**
 * Copies within training: exact ones, or pictures whose hashes differ in few bits, in clusters of those that are
 * connected. Each cluster keeps one image; what its labels say of that is in {@link decide}.
 */
export function duplicates(set: WorkingSet, options: RefineOptions<'duplicates'>): Decision[] {
  const copies = find(set, options);
  const members = new Map<number, number[]>();
  copies.clusters.forEach((cluster, at) => {
    const known = members.get(cluster);
    if (known === undefined) members.set(cluster, [at]);
    else known.push(at);
  });
  const decisions = [...members.values()]
    .filter((cluster) => cluster.length > 1)
    .flatMap((cluster) => decide(set, cluster, options, copies));
  const gone = new Set(
    decisions
      .filter(({ action, image }) => action === 'remove' && !set.settled.has(image))
      .map(({ image }) => image),
  );
  return [...decisions, ...reviews(set, copies.near, gone)];
}

function find(set: WorkingSet, { method, remove, review }: RefineOptions<'duplicates'>): Copies {
  const pixels = picturesOf(set, set.train);
  if (method === 'exact') {
    const clusters = clustersOf(pixelHashes(pixels, set.size * set.size));
    return { clusters, near: [], distance: () => 0 };
  }
  const hashes = pictureHashes(pixels, set.size, method);
  const pairs = nearPairs(hashes, Math.max(remove, review));
  const links = pairs.filter(({ distance }) => distance <= remove);
  const clusters = groupsOf(
    set.train.length,
    links.map(({ first, second }) => [first, second]),
  );
  return {
    clusters,
    near: pairs.filter(({ distance }) => distance > remove),
    distance: (a, b) => hammingDistance(hashes, a, b),
  };
}

/**
 * A cluster of one label keeps its first image, or the first that a person settled. One with several labels keeps the
 * first image of the most frequent label (`majority`); without a single most frequent one, or with `conflicts: remove`,
 * it keeps none but the settled.
 */
function decide(
  set: WorkingSet,
  cluster: readonly number[],
  { conflicts }: RefineOptions<'duplicates'>,
  copies: Copies,
): Decision[] {
  const placeOf = (at: number): number => set.train[at] as number;
  const label = (at: number): number => set.labelOf(placeOf(at));
  const votes = emotions.map((_, cls) => cluster.filter((at) => label(at) === cls).length);
  const most = Math.max(...votes);
  const agreed = most === cluster.length;
  const winner =
    agreed || (conflicts === 'majority' && votes.filter((count) => count === most).length === 1)
      ? votes.indexOf(most)
      : null;
  const candidates = cluster.filter((at) => label(at) === winner);
  const kept = candidates.find((at) => set.settled.has(placeOf(at))) ?? candidates[0];
  const compared = kept ?? (cluster[0] as number);
  return cluster.map((at) => {
    const image = placeOf(at);
    if (at === kept) return { image, reason: 'first', score: null, action: 'keep' };
    const other = at === compared ? (cluster[1] as number) : compared;
    return {
      image,
      reason: label(at) === winner ? 'copy' : 'conflict',
      score: copies.distance(at, other),
      action: 'remove',
      of: placeOf(other),
    };
  });
}

/** One row for each image that has a near one before it, with the nearest of those that stay. */
function reviews(set: WorkingSet, near: readonly NearPair[], gone: ReadonlySet<number>): Decision[] {
  const nearest = new Map<number, Decision>();
  for (const { first, second, distance } of near) {
    const [of, image] = [set.train[first] as number, set.train[second] as number];
    if (gone.has(of) || gone.has(image)) continue;
    const known = nearest.get(image)?.score;
    if (known !== null && known !== undefined && known <= distance) continue;
    nearest.set(image, { image, reason: 'near', score: distance, action: 'review', of });
  }
  return [...nearest.values()];
}
