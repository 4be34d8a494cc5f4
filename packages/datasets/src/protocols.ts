import {
  angleChoices,
  emotions,
  JobFailure,
  sameFold,
  splitNames,
  validationFraction,
  type PinnedData,
  type Protocol,
  type SplitName,
  type SplitSummary,
} from '@ferment/contracts';
import { hashKey } from './clusters.js';
import { subjectFold } from './kdef/folds.js';
import type { People } from './people.js';
import { Random } from './random.js';
import type { StoredSplit } from './stored-split.js';
import { usageCode } from './usages.js';

/** What a split is made from: one entry for each image of a version. */
export interface Annotations {
  count: number;
  labels: Int32Array;
  usages: Uint8Array;
  clusters: Int32Array;
  hashes: Uint8Array;
  /** The split that a refined version carries: it decides, not the usages. */
  stored?: StoredSplit;
  /** Who is in each picture, and from where; absent where the source does not say. */
  people?: People;
}

/** Image indices of each split, ascending, and how many training images the leak rule took. */
export interface Partition extends Record<SplitName, number[]> {
  leakRemoved: number;
}

const carveSeed = 0;

/** What is read of pinned data to divide a version: `angles` and `fold` count under `subject-folds` only. */
export type Division = Pick<PinnedData, 'protocol' | 'angles' | 'fold'>;

/** The protocols that a version's people and usages allow, its default first. */
export function possibleProtocols({ usages, people }: Pick<Annotations, 'usages' | 'people'>): Protocol[] {
  if (people) return ['subject-folds'];
  const has = (usage: keyof typeof usageCode): boolean => usages.includes(usageCode[usage]);
  if (!has('Training') || !has('PublicTest')) return [];
  return has('PrivateTest') ? ['official', 'carved'] : ['carved'];
}

/**
 * Divides a version into train, validation and test.
 *
 * `official`: Training, PublicTest, PrivateTest. `carved`: test is PublicTest; validation is 12.5 % of each class of
 * Training (seed 0, whole exact-duplicate clusters), the same for any order of the rows.
 *
 * `subject-folds`: the pictures of the chosen angles by person, see {@link subjectFold}.
 *
 * Leak rule: a Training image whose exact copy stands in validation or test leaves, and is counted. Under `carved`
 * it leaves before validation is drawn, so that validation shares no image with test either. Official validation
 * and test splits are never changed.
 *
 * @throws JobFailure `user` where the version has not the splits that the protocol needs
 */
export function partition(data: Annotations, division: Division): Partition {
  const { protocol } = division;
  if (data.stored) return storedPartition(data.stored, division);
  const possible = possibleProtocols(data);
  if (!possible.includes(protocol)) {
    const instead = possible.length > 0 ? ` Use protocol "${possible.join('" or "')}".` : '';
    throw new JobFailure('user', `protocol "${protocol}" needs ${needs[protocol]}.${instead}`);
  }
  if (data.people && protocol === 'subject-folds') {
    const parts = subjectFold(data.people, division.angles ?? 'frontal', division.fold ?? null);
    const train = withoutCopies(parts.train, [...parts.validation, ...parts.test], data.clusters);
    return { ...parts, train, leakRemoved: parts.train.length - train.length };
  }
  const all = Array.from({ length: data.count }, (_, image) => image);
  const of = (code: number): number[] => all.filter((image) => data.usages[image] === code);
  const training = of(usageCode.Training);
  const publicTest = of(usageCode.PublicTest);
  if (protocol === 'official') {
    const privateTest = of(usageCode.PrivateTest);
    const kept = withoutCopies(training, [...publicTest, ...privateTest], data.clusters);
    return {
      train: kept,
      validation: publicTest,
      test: privateTest,
      leakRemoved: training.length - kept.length,
    };
  }
  const kept = withoutCopies(training, publicTest, data.clusters);
  const validation = carve(kept, training, data);
  const taken = new Set(validation);
  return {
    train: kept.filter((image) => !taken.has(image)),
    validation,
    test: publicTest,
    leakRemoved: training.length - kept.length,
  };
}

function storedPartition(stored: StoredSplit, division: Division): Partition {
  const { parts, leakRemoved } = stored;
  const said = ({ protocol, angles, fold }: Division): string =>
    `protocol "${protocol}"${fold === undefined ? '' : ` (angles ${angles ?? angleChoices[0]}, fold ${fold})`}`;
  if (division.protocol !== stored.protocol || !sameFold(division, stored)) {
    throw new JobFailure(
      'user',
      `this version is a refined one, divided by ${said(stored)} when it was made; expected that, got ${said(division)}.`,
    );
  }
  const of = (name: SplitName): number[] =>
    [...parts.keys()].filter((image) => splitNames[parts[image] as number] === name);
  return { train: of('train'), validation: of('validation'), test: of('test'), leakRemoved };
}

const needs: Readonly<Record<Protocol, string>> = {
  official: 'rows of Training, PublicTest and PrivateTest',
  carved: 'rows of Training and PublicTest',
  'subject-folds': 'pictures that say who is in them',
};

/** Images per class and split, as previews and pages show them. */
export function summarise(parts: Partition, labels: Int32Array): SplitSummary {
  const counts = (images: number[]): number[] => {
    const perClass = emotions.map(() => 0);
    for (const image of images) {
      const label = labels[image] as number;
      perClass[label] = (perClass[label] ?? 0) + 1;
    }
    return perClass;
  };
  return {
    counts: { train: counts(parts.train), validation: counts(parts.validation), test: counts(parts.test) },
    leakRemoved: parts.leakRemoved,
  };
}

function withoutCopies(images: number[], held: number[], clusters: Int32Array): number[] {
  const heldClusters = new Set(held.map((image) => clusters[image]));
  return images.filter((image) => !heldClusters.has(clusters[image]));
}

/** Draws validation from `candidates`; the class targets are fractions of all of `training`. */
function carve(candidates: number[], training: number[], data: Annotations): number[] {
  const open = emotions.map((_, label) =>
    Math.round(validationFraction * training.filter((image) => data.labels[image] === label).length),
  );
  const groups = new Map<number, number[]>();
  for (const image of candidates) {
    const cluster = data.clusters[image] as number;
    const group = groups.get(cluster);
    if (group === undefined) groups.set(cluster, [image]);
    else group.push(image);
  }
  // Ordered by pixel hash first: the draw depends on the pictures, not on the order of the rows.
  const keyed = [...groups.values()].map((images) => ({
    images,
    key: hashKey(data.hashes, images[0] as number),
  }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const validation: number[] = [];
  for (const { images } of Random.seeded(carveSeed).shuffle(keyed)) {
    const wanted = emotions.map((_, label) => images.filter((image) => data.labels[image] === label).length);
    if (wanted.some((count, label) => count > (open[label] ?? 0))) continue;
    wanted.forEach((count, label) => {
      open[label] = (open[label] ?? 0) - count;
    });
    validation.push(...images);
  }
  return validation.sort((a, b) => a - b);
}
