import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ArtifactReference } from '@ferment/contracts';

/** Inclusive start and end, in bytes; without an end, to the last byte. */
export interface ByteRange {
  start: number;
  end?: number;
}

/**
 * Bytes by content: an artifact's name is the SHA-256 of its bytes, so what is there never changes. An artifact is seen
 * whole or not at all, however a writer ends.
 */
export interface ArtifactStore {
  /** Stores content and names it; content that is there already is not stored twice. */
  put(content: Uint8Array | AsyncIterable<Uint8Array>): Promise<ArtifactReference>;
  /**
   * A stream of the bytes, unverified: whoever needs certainty uses {@link read} or hashes while reading.
   *
   * @throws ArtifactMissing
   */
  get(hash: string, range?: ByteRange): Promise<Readable>;
  /**
   * All bytes, verified.
   *
   * @throws ArtifactMissing, ArtifactCorrupt
   */
  read(hash: string): Promise<Uint8Array>;
  has(hash: string): Promise<ArtifactReference | null>;
  /** Takes a damaged artifact out of use and keeps its bytes for inspection; nothing happens when it is not there. */
  quarantine(hash: string): Promise<void>;
  /** Removes an artifact; nothing happens when it is not there. */
  delete(hash: string): Promise<void>;
  /** Every artifact that can be read, in no particular order. */
  list(): AsyncIterable<ArtifactReference>;
}

export class ArtifactMissing extends Error {
  override name = 'ArtifactMissing';
  constructor(readonly hash: string) {
    super(`artifact ${hash} is not in the store`);
  }
}

export class ArtifactCorrupt extends Error {
  override name = 'ArtifactCorrupt';
  constructor(
    readonly hash: string,
    found: string,
  ) {
    super(`artifact ${hash} has bytes whose SHA-256 is ${found}`);
  }
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Where an artifact lies, in a folder as in a bucket. */
export function keyOf(hash: string): string {
  checkHash(hash);
  return `sha256/${hash.slice(0, 2)}/${hash.slice(2)}`;
}

/** The hash behind a key; null for anything else that lies there. */
export function hashOfKey(key: string): string | null {
  const match = /(?:^|\/)sha256\/([0-9a-f]{2})\/([0-9a-f]{62})$/.exec(key);
  return match ? `${match[1]}${match[2]}` : null;
}

/** Hashes reach file names and object keys: nothing else may. */
export function checkHash(hash: string): void {
  if (!/^[0-9a-f]{64}$/.test(hash)) throw new ArtifactMissing(hash);
}

/** Counts and hashes what passes through. */
export function meter(): {
  through(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncIterable<Uint8Array>;
  reference(): ArtifactReference;
} {
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async *through(source) {
      for await (const chunk of source) {
        hash.update(chunk);
        bytes += chunk.byteLength;
        yield chunk;
      }
    },
    reference: () => ({ hash: hash.digest('hex'), bytes }),
  };
}

/** Reads a stream to its end and checks it against the name it was asked for by. */
export async function readVerified(hash: string, stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  const bytes = Buffer.concat(parts);
  const found = sha256Of(bytes);
  if (found !== hash) throw new ArtifactCorrupt(hash, found);
  return bytes;
}
