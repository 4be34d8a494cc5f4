import { hash } from 'node:crypto';

/** Bytes of a SHA-256. */
export const hashBytes = 32;

/**
 * SHA-256 of each picture's pixels.
 *
 * @param pixels   n pictures of `stride` bytes each
 * @param stride   bytes of one picture
 * @returns n * 32 bytes
 */
export function pixelHashes(pixels: Uint8Array, stride: number): Uint8Array {
  const count = pixels.length / stride;
  const hashes = new Uint8Array(count * hashBytes);
  for (let image = 0; image < count; image++) {
    hashes.set(
      hash('sha256', pixels.subarray(image * stride, (image + 1) * stride), 'buffer'),
      image * hashBytes,
    );
  }
  return hashes;
}

/** One picture's hash as a map key. */
export function hashKey(hashes: Uint8Array, image: number): string {
  return Buffer.from(hashes.buffer, hashes.byteOffset + image * hashBytes, hashBytes).toString('latin1');
}

/**
 * Exact-duplicate clusters: for each image the index of the first image with the same pixels (its own where it is
 * the first).
 */
export function clustersOf(hashes: Uint8Array): Int32Array {
  const count = hashes.length / hashBytes;
  const first = new Map<string, number>();
  const clusters = new Int32Array(count);
  for (let image = 0; image < count; image++) {
    const key = hashKey(hashes, image);
    const known = first.get(key);
    if (known === undefined) first.set(key, image);
    clusters[image] = known ?? image;
  }
  return clusters;
}

export interface DuplicateCounts {
  /** Clusters of two or more images. */
  duplicateClusters: number;
  /** Images beyond the first of their cluster. */
  redundantCopies: number;
  /** Clusters whose images carry different labels. */
  conflictClusters: number;
}

/** Counts exact duplicates over all images, whatever their usage. */
export function countDuplicates(clusters: Int32Array, labels: Int32Array): DuplicateCounts {
  const duplicated = new Set<number>();
  const conflicting = new Set<number>();
  let redundantCopies = 0;
  clusters.forEach((cluster, image) => {
    if (cluster === image) return;
    redundantCopies++;
    duplicated.add(cluster);
    if (labels[cluster] !== labels[image]) conflicting.add(cluster);
  });
  return { duplicateClusters: duplicated.size, redundantCopies, conflictClusters: conflicting.size };
}
