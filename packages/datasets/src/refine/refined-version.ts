import { splitNames, type DatasetSummary, type SplitName } from '@ferment/contracts';
import { clustersOf, countDuplicates, pixelHashes } from '../clusters.js';
import { summarise } from '../protocols.js';
import { splitSections } from '../stored-split.js';
import { usages } from '../usages.js';
import { encodeVersion, type DatasetVersion } from '../version-file.js';

/** A version's bytes, and the summary in them. */
export interface RefinedVersion {
  bytes: Uint8Array;
  summary: DatasetSummary;
}

/**
 * The file of a refined version: the images that remain, ascending by place, with their split and places.
 *
 * @param version the parent
 * @param parts   places of the images of each split, and what the leak rule took
 * @param labels  labels by place
 * @param changed pictures by place, where they are others than the parent's
 * @param from    what is said of the parent
 */
export function refinedVersion(
  version: DatasetVersion,
  parts: Record<SplitName, ArrayLike<number>> & { leakRemoved: number },
  labels: Int32Array,
  changed: ReadonlyMap<number, Uint8Array>,
  from: NonNullable<DatasetSummary['parent']>,
): RefinedVersion {
  const images = splitNames
    .flatMap((name, part) => Array.from(parts[name], (place) => ({ place, part })))
    .sort((a, b) => a.place - b.place);
  const { size } = version;
  const stride = size * size;
  const pixels = new Uint8Array(images.length * stride);
  images.forEach(({ place }, at) => {
    const own = changed.get(place) ?? version.pixels.subarray(place * stride, (place + 1) * stride);
    pixels.set(own, at * stride);
  });
  const hashes = pixelHashes(pixels, stride);
  const ownLabels = Int32Array.from(images, ({ place }) => labels[place] as number);
  const ownUsages = Uint8Array.from(images, ({ place }) => version.usages[place] as number);
  const of = (name: SplitName): number[] =>
    [...images.keys()].filter((at) => splitNames[images[at]?.part ?? -1] === name);
  const own = { train: of('train'), validation: of('validation'), test: of('test') };
  const places = Int32Array.from(images, ({ place }) => place);
  // Rows that the import left out, and the folds, are told by the parent.
  const { skippedUnlisted: _told, subjectFolds: _folds, ...told } = version.summary;
  const summary: DatasetSummary = {
    ...told,
    images: images.length,
    usages: countUsages(ownUsages),
    ...countDuplicates(clustersOf(hashes), ownLabels),
    skipped: [],
    protocols: { [from.protocol]: summarise({ ...own, leakRemoved: parts.leakRemoved }, ownLabels) },
    defaultProtocol: from.protocol,
    parent: from,
  };
  const bytes = encodeVersion({
    count: images.length,
    size,
    pixels,
    labels: ownLabels,
    usages: ownUsages,
    hashes,
    summary,
    sections: new Map([
      ...gathered(version, places),
      ...splitSections({ parts: Uint8Array.from(images, ({ part }) => part), places }),
    ]),
  });
  return { bytes, summary };
}

function countUsages(codes: Uint8Array): Record<string, number> {
  const counts = usages.map((usage, code) => [usage, codes.filter((each) => each === code).length] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/** The parent's other sections, of the images that remain: each has equally many bytes an image. */
function gathered({ sections, count }: DatasetVersion, places: Int32Array): Map<string, Uint8Array> {
  return new Map(
    [...sections].map(([name, content]) => {
      const width = content.length / count;
      if (!Number.isInteger(width))
        throw new Error(`section "${name}" has no fixed number of bytes an image`);
      const own = new Uint8Array(places.length * width);
      places.forEach((place, at) => {
        own.set(content.subarray(place * width, (place + 1) * width), at * width);
      });
      return [name, own] as const;
    }),
  );
}
