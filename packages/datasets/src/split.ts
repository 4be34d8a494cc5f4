import { emotions, JobFailure, type PinnedData, type SplitName } from '@ferment/contracts';
import { clustersOf, hashKey, pixelHashes } from './clusters.js';
import { partition } from './protocols.js';
import { Random } from './random.js';
import { foldsOf } from './refine/folds.js';
import { resizer } from './resize.js';
import type { DatasetVersion } from './version-file.js';

/** Pictures with labels, ready for a model's input pipeline. */
export interface ImageSet {
  /** count * size * size * channels values from 0 to 255, row major, channels last */
  pixels: Uint8Array;
  /** count class ids */
  labels: Int32Array;
  count: number;
  size: number;
  channels: number;
}

/** An image set that knows where its pictures stand in the data-set version. */
export interface SplitImages extends ImageSet {
  /** count indices into the version, ascending */
  indices: Int32Array;
  /** count places in the version that was imported: those of the parent where the version is a refined one */
  places: Int32Array;
}

export interface Split extends Record<SplitName, SplitImages> {
  /** Of all pixels of `train`, in units of x / 255; `std` is the population's, never 0. 0 and 1 without images. */
  mean: number;
  std: number;
  /** Training images that the leak rule took, before any subset. */
  leakRemoved: number;
  /** The fold of the training images that `outOfFold` left out; null where nothing was. */
  heldOut: SplitImages | null;
}

/**
 * The three image sets of a job: the protocol's partition (see protocols.ts), then the subset of each split, then
 * resizing and, for three channels, the grey value three times. With `outOfFold`, one fold of these training images is
 * held out. `mean` and `std` are those of the training images that remain, as the model sees them.
 *
 * A refined version brings its own split, which the same subset leaves as it is. Under `subject-folds`
 * without a fold only `test` has images.
 *
 * @throws JobFailure `user` where the version does not allow the protocol, or a split comes out empty
 */
export function split(version: DatasetVersion, data: PinnedData): Split {
  const parts = partition(version, data);
  const chosen = (name: SplitName): number[] => {
    const wanted = data.subset?.[name];
    const random = Random.seeded(data.subset?.seed ?? 0, subsetStreams[name]);
    const images =
      wanted === undefined ? parts[name] : stratified(parts[name], version.labels, wanted, random);
    // Nothing but test: for a network that was trained elsewhere.
    const whole = data.protocol === 'subject-folds' && data.fold === undefined && name !== 'test';
    if (images.length === 0 && !whole) {
      throw new JobFailure(
        'user',
        `protocol "${data.protocol}" leaves no ${name} image in this data-set version.`,
      );
    }
    return images;
  };
  const sets = (images: number[]): SplitImages => gather(version, images, data.preprocess);
  const { kept, heldOut } = withoutFold(version, chosen('train'), data.outOfFold);
  const train = sets(kept);
  return {
    train,
    validation: sets(chosen('validation')),
    test: sets(chosen('test')),
    ...moments(train.pixels),
    leakRemoved: parts.leakRemoved,
    heldOut: heldOut && sets(heldOut),
  };
}

function withoutFold(
  version: DatasetVersion,
  images: number[],
  outOfFold: PinnedData['outOfFold'],
): { kept: number[]; heldOut: number[] | null } {
  if (outOfFold === undefined) return { kept: images, heldOut: null };
  const { folds, fold } = outOfFold;
  if (fold >= folds) throw new JobFailure('user', `fold ${fold} of ${folds}: folds are numbered from 0.`);
  const of = foldsOf(version, Int32Array.from(images), folds);
  return {
    kept: images.filter((_, at) => of[at] !== fold),
    heldOut: images.filter((_, at) => of[at] === fold),
  };
}

const subsetStreams = { train: 1, validation: 2, test: 3 } as const satisfies Record<SplitName, number>;

/** One image that stands in training and in a held-out split: indices into the two sets. */
export interface LeakPair {
  train: number;
  split: string;
  image: number;
}

/**
 * Compares the pictures themselves, just before they are used: no training image may stand in a held-out split.
 *
 * @param train  training images
 * @param others held-out splits by name
 * @throws JobFailure `user` with `details.pairs`, all of them; indices are the version's where the sets carry them
 */
export function assertNoLeak(
  train: ImageSet | SplitImages,
  others: Readonly<Record<string, ImageSet | SplitImages>>,
): void {
  const known = new Map<string, number[]>();
  forEachHash(train, (key, image) => {
    const same = known.get(key);
    if (same === undefined) known.set(key, [image]);
    else same.push(image);
  });
  const pairs: LeakPair[] = [];
  for (const [name, set] of Object.entries(others)) {
    forEachHash(set, (key, image) => {
      for (const same of known.get(key) ?? []) pairs.push({ train: same, split: name, image });
    });
  }
  if (pairs.length === 0) return;
  const shown = pairs
    .slice(0, 5)
    .map((pair) => `training image ${pair.train} = ${pair.split} image ${pair.image}`);
  const more = pairs.length > shown.length ? `, and ${pairs.length - shown.length} more` : '';
  throw new JobFailure(
    'user',
    `leak: ${pairs.length} exact copies of held-out images in the training split (${shown.join('; ')}${more}).`,
    { pairs },
  );
}

/** Positions in the set of the first of each group of exactly equal pictures, ascending. */
export function firstOfEqual(set: ImageSet): Int32Array {
  const hashes = pixelHashes(set.pixels, set.size * set.size * set.channels);
  return Int32Array.from(
    [...clustersOf(hashes).entries()].filter(([at, first]) => at === first),
    ([at]) => at,
  );
}

function forEachHash(set: ImageSet | SplitImages, visit: (key: string, image: number) => void): void {
  const hashes = pixelHashes(set.pixels, set.size * set.size * set.channels);
  for (let image = 0; image < set.count; image++) {
    visit(hashKey(hashes, image), 'indices' in set ? (set.indices[image] as number) : image);
  }
}

/** `wanted` of the images, each class in proportion (largest remainders) and with at least one where it has any. */
function stratified(images: number[], labels: Int32Array, wanted: number, random: Random): number[] {
  if (wanted >= images.length) return images;
  const classes = emotions
    .map((_, label) => images.filter((image) => labels[image] === label))
    .filter((members) => members.length > 0)
    .map((members) => {
      const exact = (wanted * members.length) / images.length;
      return { members, exact, quota: Math.max(1, Math.floor(exact)) };
    });
  let missing = wanted - classes.reduce((sum, { quota }) => sum + quota, 0);
  while (missing !== 0) {
    const direction = Math.sign(missing);
    const next = classes
      .filter(({ quota, members }) => (direction > 0 ? quota < members.length : quota > 1))
      .reduce((best, each) =>
        direction * (each.exact - each.quota) > direction * (best.exact - best.quota) ? each : best,
      );
    next.quota += direction;
    missing -= direction;
  }
  return classes
    .flatMap(({ members, quota }) => random.shuffle([...members]).slice(0, quota))
    .sort((a, b) => a - b);
}

function gather(
  version: DatasetVersion,
  images: number[],
  preprocess: PinnedData['preprocess'],
): SplitImages {
  const { size, channels } = preprocess;
  const source = version.size * version.size;
  const target = size * size * channels;
  const resize = resizer(version.size, size);
  const pixels = new Uint8Array(images.length * target);
  images.forEach((image, index) => {
    const grey = resize(version.pixels.subarray(image * source, (image + 1) * source));
    if (channels === 1) pixels.set(grey, index * target);
    else
      for (let p = 0; p < grey.length; p++)
        pixels.fill(grey[p] as number, index * target + p * channels, index * target + (p + 1) * channels);
  });
  return {
    pixels,
    labels: Int32Array.from(images, (image) => version.labels[image] as number),
    indices: Int32Array.from(images),
    places: Int32Array.from(images, (image) => version.stored?.places[image] ?? image),
    count: images.length,
    size,
    channels,
  };
}

function moments(pixels: Uint8Array): { mean: number; std: number } {
  if (pixels.length === 0) return { mean: 0, std: 1 };
  const counts = new Float64Array(256);
  for (const value of pixels) {
    counts[value] = (counts[value] as number) + 1;
  }
  // Integers below 2^53: exact, whatever the order.
  const sum = counts.reduce((total, count, value) => total + count * value, 0);
  const squares = counts.reduce((total, count, value) => total + count * value * value, 0);
  const mean = sum / pixels.length;
  const std = Math.sqrt(Math.max(0, squares / pixels.length - mean * mean));
  // Constant pictures have no spread to divide by.
  return { mean: mean / 255, std: std > 0 ? std / 255 : 1 };
}
