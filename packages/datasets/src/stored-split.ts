import { splitNames, type PinnedData } from '@ferment/contracts';

/**
 * A split that a version carries with it, as a refined one does, and where its images stand in the version that was
 * refined. Protocol, angles and fold are those that divided the parent.
 */
export interface StoredSplit extends Pick<PinnedData, 'protocol' | 'angles' | 'fold'> {
  /** n indices into train, validation, test */
  parts: Uint8Array;
  /** n places in the parent, ascending */
  places: Int32Array;
  /** Training images that the leak rule took from the parent. */
  leakRemoved: number;
}

const sectionNames = { parts: 'split', places: 'places' } as const;

/** A stored split as sections of a version file: a byte for each image's part, four (little endian) for its place. */
export function splitSections({
  parts,
  places,
}: Pick<StoredSplit, 'parts' | 'places'>): Map<string, Uint8Array> {
  const bytes = new Uint8Array(4 * places.length);
  const view = new DataView(bytes.buffer);
  places.forEach((place, image) => {
    view.setInt32(4 * image, place, true);
  });
  return new Map([
    [sectionNames.parts, parts],
    [sectionNames.places, bytes],
  ]);
}

/**
 * The stored split of a version of n images, from its sections.
 *
 * @returns undefined where there is none, and the reason in words where the sections cannot be those of n images
 */
export function splitFromSections(
  sections: ReadonlyMap<string, Uint8Array>,
  count: number,
): Pick<StoredSplit, 'parts' | 'places'> | undefined | string {
  const parts = sections.get(sectionNames.parts);
  const bytes = sections.get(sectionNames.places);
  if (!parts && !bytes) return undefined;
  if (parts?.length !== count || bytes?.length !== 4 * count) {
    return `expected a split and places of ${count} images, found ${parts?.length ?? 0} and ${(bytes?.length ?? 0) / 4}`;
  }
  if (parts.some((part) => part >= splitNames.length)) return 'unknown part of a split';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const places = Int32Array.from({ length: count }, (_, image) => view.getInt32(4 * image, true));
  if (places.some((place, image) => place < 0 || (image > 0 && place <= (places[image - 1] as number)))) {
    return 'places that do not rise';
  }
  return { parts, places };
}
