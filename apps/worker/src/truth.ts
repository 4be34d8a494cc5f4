import type { ArtifactReference, FailureClass, JobKind, JobProgress, MetricRow } from '@ferment/contracts';
import type { Readable } from 'node:stream';
import type { Json } from './protocol.js';

/** What the queue delivers: an invitation to claim. `threads` is what the job will keep busy. */
export interface Delivery {
  jobId: string;
  attempt: number;
  threads?: number | undefined;
}

export interface Claim {
  jobId: string;
  attempt: number;
  kind: JobKind;
  params: unknown;
  inputs: Record<string, ArtifactReference | ArtifactReference[] | null>;
  inputParams: Record<string, unknown>;
  resume: { hash: string; step: number } | null;
  leaseSeconds: number;
}

export type Order = 'continue' | 'pause' | 'cancel' | 'fenced';

/**
 * The part of the platform that a worker writes to. Every write names the attempt and answers false where that
 * attempt is no longer the current one: then nothing was written, and nothing more may be.
 */
export interface Truth {
  /** Null where the attempt is taken, outdated or no longer wanted. */
  claim(delivery: Delivery): Promise<Claim | null>;
  /** Renews the leases of the attempts named; what each should do now, and whether this worker takes new work. */
  heartbeat(
    running: { jobId: string; attempt: number; progress: JobProgress | null }[],
  ): Promise<{ draining: boolean; orders: { jobId: string; attempt: number; order: Order }[] }>;
  /** `truncateFrom`: rows of earlier attempts from this step on no longer count. */
  appendMetrics(jobId: string, attempt: number, rows: MetricRow[], truncateFrom?: number): Promise<boolean>;
  saveCheckpoint(
    jobId: string,
    attempt: number,
    checkpoint: { step: number; epoch: number; artifact: ArtifactReference },
  ): Promise<boolean>;
  complete(
    jobId: string,
    attempt: number,
    outcome: { outputs: Record<string, ArtifactReference>; result: Json },
  ): Promise<boolean>;
  fail(
    jobId: string,
    attempt: number,
    failure: { failureClass: FailureClass; reason: string; details?: Record<string, unknown> },
  ): Promise<boolean>;
  /** Stopped on order, with its state saved: ready again. */
  preempted(jobId: string, attempt: number): Promise<boolean>;
  /** An input's bytes are not those of its hash, nor are the store's: its producer has to run again. */
  inputCorrupt(jobId: string, attempt: number, hash: string): Promise<boolean>;
}

/** The part of an artifact store that a worker uses. */
export interface Bytes {
  put(content: AsyncIterable<Uint8Array>): Promise<ArtifactReference>;
  get(hash: string): Promise<Readable>;
  has(hash: string): Promise<ArtifactReference | null>;
  /** Takes a damaged artifact out of use. */
  quarantine(hash: string): Promise<void>;
}

/** A log in pino's manner. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
