import type { ArtifactReference, MetricRow } from '@ferment/contracts';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { OutgoingFile } from './protocol.js';
import { describe, persist } from './retry.js';
import type { Bytes, Log, Truth } from './truth.js';

interface PendingCheckpoint {
  step: number;
  epoch: number;
  file: OutgoingFile;
}

export interface WriterOptions {
  jobId: string;
  attempt: number;
  truth: Truth;
  store: Bytes;
  log: Log;
  /** Rows of earlier attempts from this step on are superseded by this attempt's. */
  truncateFrom: number | null;
  /** Cursor of the job's newest metric chunk when the attempt was claimed. */
  cursor: number;
  /** The store did not take a file, which is sent again (default: unheard). */
  onUploadRepeated?: () => void;
  /** Aborted when the attempt is no longer ours. */
  signal: AbortSignal;
  /** The truth refused a write: the attempt is no longer ours. */
  onFenced: () => void;
}

/**
 * Writes what one attempt reports, in the order it was reported: a checkpoint is recorded only after all metric rows
 * before it. Rows that come while a write is under way go together into the next; of checkpoints that wait, only the
 * newest is written.
 */
export class AttemptWriter {
  readonly #queue: (MetricRow[] | PendingCheckpoint)[] = [];
  #truncateFrom: number | null;
  #cursor: number;
  #working: Promise<void> | null = null;
  #saved = false;

  constructor(private readonly options: WriterOptions) {
    this.#truncateFrom = options.truncateFrom;
    this.#cursor = options.cursor;
  }

  rows(rows: MetricRow[]): void {
    this.#queue.push(rows);
    this.#work();
  }

  checkpoint(checkpoint: PendingCheckpoint): void {
    this.#queue.push(checkpoint);
    this.#work();
  }

  /** Whether a checkpoint was recorded, or may have been. */
  get hasSaved(): boolean {
    return this.#saved;
  }

  /** Of the job's newest metric chunk; 0 before the first. */
  get cursor(): number {
    return this.#cursor;
  }

  /** Resolves when everything reported so far is stored; rejects where it could not be. */
  async flush(): Promise<void> {
    while (this.#queue.length > 0 || this.#working !== null) {
      this.#work();
      await this.#working;
    }
    this.options.signal.throwIfAborted();
  }

  /** Uploads a file and checks that the store took the bytes that were meant. */
  async upload(file: OutgoingFile): Promise<ArtifactReference> {
    const { store, log, signal, onUploadRepeated } = this.options;
    let tries = 0;
    const stored = await persist(
      () => {
        tries += 1;
        if (tries > 1) onUploadRepeated?.();
        // The buffer is no larger than the file: many small ones would otherwise keep the garbage collector busy.
        return store.put(createReadStream(file.path, { highWaterMark: Math.min(1 << 20, file.bytes + 1) }));
      },
      'uploading',
      log,
      signal,
    );
    if (stored.hash !== file.hash) {
      throw new Error(`${file.path} has changed on disk: expected SHA-256 ${file.hash}, read ${stored.hash}`);
    }
    return { hash: stored.hash, bytes: stored.bytes };
  }

  /** Frees the room of checkpoints that newer ones or the job's outputs have replaced. Failing to is no failure. */
  async discardCheckpoints(): Promise<void> {
    const { jobId, truth, store, log } = this.options;
    try {
      await truth.discardCheckpoints(jobId, (hash) => store.delete(hash));
    } catch (error) {
      log.warn({ error: describe(error) }, 'old checkpoints stay for now');
    }
  }

  async #saveCheckpoint({ step, epoch, file }: PendingCheckpoint): Promise<void> {
    const { jobId, attempt, truth, store, log, signal } = this.options;
    const artifact = await this.upload(file);
    this.#saved = true;
    await this.#fenced(
      persist(
        async () => {
          if (!(await truth.saveCheckpoint(jobId, attempt, { step, epoch, artifact }))) return false;
          // Another job's old checkpoint of the very same bytes may have been removed between upload and record.
          if ((await store.has(artifact.hash)) === null) await this.upload(file);
          return true;
        },
        'saving a checkpoint',
        log,
        signal,
      ),
    );
    await this.discardCheckpoints();
  }

  #work(): void {
    if (this.#working !== null) return;
    this.#working = this.#drain()
      // An attempt that is no longer ours ends through its signal; other failures are met again in flush().
      .catch((error: unknown) => {
        if (!this.options.signal.aborted) throw error;
        this.#queue.length = 0;
      })
      .finally(() => {
        this.#working = null;
      });
    this.#working.catch(() => undefined);
  }

  async #drain(): Promise<void> {
    const { jobId, attempt, truth, log, signal } = this.options;
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (Array.isArray(next)) {
        const end = this.#queue.findIndex((item) => !Array.isArray(item));
        const batch = this.#queue.slice(0, end === -1 ? undefined : end);
        const rows = batch.flatMap((item) => (Array.isArray(item) ? item : []));
        const truncateFrom = this.#truncateFrom ?? undefined;
        await this.#fenced(
          persist(
            () => truth.appendMetrics(jobId, attempt, rows, truncateFrom, this.#cursor),
            'writing metrics',
            log,
            signal,
          ),
        );
        this.#truncateFrom = null;
        this.#cursor += 1;
        this.#queue.splice(0, batch.length);
      } else {
        if (!this.#queue.slice(1).some((item) => !Array.isArray(item))) await this.#saveCheckpoint(next);
        this.#queue.shift();
        await rm(next.file.path, { force: true });
      }
    }
  }

  async #fenced(write: Promise<boolean>): Promise<void> {
    if (await write) return;
    this.options.onFenced();
    this.options.signal.throwIfAborted();
  }
}
