import type { ArtifactReference } from '@ferment/contracts';
import type { Attempts } from '@ferment/platform';
import type { Readable } from 'node:stream';

export type { Claim, Order, QueueMessage } from '@ferment/platform';

/**
 * The part of the platform that a worker writes to. Every write names the attempt and answers false where that
 * attempt is no longer the current one: then nothing was written, and nothing more may be.
 */
export type Truth = Pick<
  Attempts,
  | 'claim'
  | 'heartbeat'
  | 'appendMetrics'
  | 'appendLog'
  | 'saveCheckpoint'
  | 'discardCheckpoints'
  | 'publish'
  | 'complete'
  | 'fail'
  | 'preempted'
>;

/** The part of an artifact store that a worker uses. */
export interface Bytes {
  put(content: AsyncIterable<Uint8Array>): Promise<ArtifactReference>;
  get(hash: string): Promise<Readable>;
  has(hash: string): Promise<ArtifactReference | null>;
  /** Takes a damaged artifact out of use; `sound`: it was written anew meanwhile. */
  quarantine(hash: string, reason: string): Promise<'taken' | 'sound' | 'absent'>;
  /** Removes an artifact; nothing happens when it is not there. */
  delete(hash: string): Promise<void>;
}

/** A log in pino's manner. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** One whose lines carry these fields too. */
  child(fields: object): Log;
}
