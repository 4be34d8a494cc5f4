import { randomBytes } from 'node:crypto';
import type { ArtifactStore } from './artifact-store.js';

/**
 * Writes, reads and deletes a small artifact.
 *
 * @returns milliseconds that it took
 * @throws whatever the store answers
 */
export async function probeStore(store: ArtifactStore): Promise<number> {
  const began = performance.now();
  const { hash } = await store.put(randomBytes(64));
  try {
    await store.read(hash);
  } finally {
    await store.delete(hash);
  }
  return performance.now() - began;
}
