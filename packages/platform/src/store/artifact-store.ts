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
  put(content: Content): Promise<ArtifactReference>;
  /**
   * Takes content in without showing it: what it will be called is known before it can be read. For whoever must note
   * the name first (see truth/artifacts.ts).
   */
  stage(content: Content): Promise<StagedArtifact>;
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
  /**
   * Takes a damaged artifact out of use and keeps its bytes for inspection, with the time and the reason. The bytes are
   * looked at once more: good ones (written anew by somebody else meanwhile) stay in use.
   */
  quarantine(hash: string, reason: string): Promise<QuarantineOutcome>;
  /** What was taken out of use, in no particular order; of one artifact where it is named. */
  quarantined(hash?: string): AsyncIterable<QuarantinedArtifact>;
  /** Deletes bytes that were taken out of use. */
  discard(quarantined: QuarantinedArtifact): Promise<void>;
  /** Removes an artifact; nothing happens when it is not there. */
  delete(hash: string): Promise<void>;
  /** Every artifact that can be read, in no particular order. */
  list(): AsyncIterable<StoredArtifact>;
  /** What writers that died left unfinished before a time. */
  leftovers(before: Date): AsyncIterable<Leftover>;
  removeLeftover(leftover: Leftover): Promise<void>;
  /** Bytes that can still be stored; null where the store does not tell. */
  freeBytes(): Promise<number | null>;
}

export type Content = Uint8Array | AsyncIterable<Uint8Array>;

/** Content that was taken in and cannot be read yet. */
export interface StagedArtifact extends ArtifactReference {
  /** Makes it an artifact; over damaged bytes of the same name it heals them. */
  publish(): Promise<void>;
  /** Forgets it; harmless after it was published. */
  discard(): Promise<void>;
}

export interface StoredArtifact extends ArtifactReference {
  writtenAt: Date;
}

/** `sound`: its bytes are its own, nothing was done. `absent`: there is nothing of this name. */
export type QuarantineOutcome = 'taken' | 'sound' | 'absent';

export interface QuarantinedArtifact extends ArtifactReference {
  at: Date;
  reason: string;
  /** Where the bytes lie now, below the store's root. */
  key: string;
}

/** A temporary file or object, or an upload in parts that was never completed. */
export interface Leftover {
  key: string;
  bytes: number;
  since: Date;
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

/** Stores content in one go. */
export async function publishAtOnce(staging: Promise<StagedArtifact>): Promise<ArtifactReference> {
  const staged = await staging;
  try {
    await staged.publish();
    return { hash: staged.hash, bytes: staged.bytes };
  } finally {
    await staged.discard();
  }
}

/** The SHA-256 of a stream's bytes. */
export async function sha256OfStream(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}

/** Where damaged bytes are put, and what is noted beside them. */
export function quarantineKey(hash: string, at: Date): string {
  return `quarantine/${hash}.${at.getTime()}`;
}

/** What a quarantine key says; null for anything else that lies there (the notes, for example). */
export function quarantineOfKey(key: string): { hash: string; at: Date } | null {
  const match = /(?:^|\/)([0-9a-f]{64})\.(\d{1,15})$/.exec(key);
  return match?.[1] === undefined ? null : { hash: match[1], at: new Date(Number(match[2])) };
}

/** The note beside quarantined bytes. Bytes from before notes were taken have none. */
export function reasonOfNote(note: string | null): string {
  try {
    const parsed: unknown = JSON.parse(note ?? '');
    if (typeof parsed === 'object' && parsed !== null && 'reason' in parsed) return String(parsed.reason);
  } catch {
    // Fall through: a note that cannot be read says nothing.
  }
  return 'no reason was noted';
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
