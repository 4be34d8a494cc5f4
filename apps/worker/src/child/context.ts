import type { JobProgress, LogLevel, MetricRow } from '@ferment/contracts';
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FromChild, Json, OutgoingFile } from '../protocol.js';
import type { Outbox } from './outbox.js';

/** What a handler is given beside its job. Everything it reads has been checked against its hash. */
export interface HandlerContext {
  /** Aborted when the job is to stop at its next step boundary. */
  signal: AbortSignal;
  /** An artifact's bytes. */
  read(hash: string): Promise<Uint8Array>;
  /** An artifact as a stream, for files that need not fit into memory; it throws at the end where the hash is wrong. */
  stream(hash: string): AsyncIterable<Uint8Array>;
  metrics(row: MetricRow): void;
  progress(progress: JobProgress): void;
  /** A line of the attempt's log. */
  log(level: LogLevel, text: string, fields?: Record<string, Json>): void;
  checkpoint(checkpoint: { step: number; epoch: number; bytes: Uint8Array }): Promise<void>;
}

/** An input that neither the cache nor the store has in good order. */
export class DamagedInput extends Error {
  override name = 'DamagedInput';

  constructor(
    readonly hash: string,
    reason: string,
  ) {
    super(reason);
  }
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The child's side of a run: artifacts come through the parent's cache, events and files go to the parent. */
export class RunContext implements HandlerContext {
  readonly #abort = new AbortController();
  readonly #requests = new Map<
    number,
    { resolve: (path: string) => void; reject: (error: Error) => void; hash: string }
  >();
  #lastRequest = 0;

  constructor(
    private readonly folder: string,
    private readonly outbox: Outbox,
    private readonly send: (message: FromChild) => void,
  ) {}

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  stop(): void {
    this.#abort.abort();
  }

  async read(hash: string): Promise<Uint8Array> {
    const bytes = await this.#opened(hash, (path) => readFile(path));
    if (hashOf(bytes) === hash) return bytes;
    const again = await readFile(await this.#path(hash, true));
    if (hashOf(again) === hash) return again;
    throw new Error(`${hash}: this machine's disk does not return what was written to it`);
  }

  async *stream(hash: string): AsyncGenerator<Uint8Array> {
    const file = await this.#opened(hash, (path) => open(path));
    const digest = createHash('sha256');
    for await (const chunk of createReadStream('', { fd: file, highWaterMark: 1 << 18 })) {
      this.signal.throwIfAborted();
      digest.update(chunk as Buffer);
      yield chunk as Buffer;
    }
    if (digest.digest('hex') === hash) return;
    // What was read cannot be taken back: the cache gets a good copy for the next attempt.
    await this.#path(hash, true);
    throw new Error(`${hash}: the cached copy was damaged; it has been fetched again`);
  }

  metrics(row: MetricRow): void {
    this.outbox.row(row);
    const figures = Object.entries(row.values).filter(
      ([series]) => series.startsWith('validation.') && !series.startsWith('validation.f1.'),
    );
    if (figures.length > 0)
      this.log('info', `epoch ${Number(row.epoch.toFixed(2))}`, {
        step: row.step,
        ...Object.fromEntries(
          figures.map(([series, value]) => [series, value && Number(value.toPrecision(4))]),
        ),
      });
  }

  log(level: LogLevel, text: string, fields: Record<string, Json> = {}): void {
    this.send({ type: 'log', level, text, fields, time: Date.now() });
  }

  progress(progress: JobProgress): void {
    this.outbox.progress(progress);
  }

  async checkpoint({
    step,
    epoch,
    bytes,
  }: {
    step: number;
    epoch: number;
    bytes: Uint8Array;
  }): Promise<void> {
    const file = await this.write(bytes);
    this.outbox.flush();
    this.send({ type: 'checkpoint', step, epoch, file });
  }

  /** Writes a file for the parent to upload. */
  async write(bytes: Uint8Array): Promise<OutgoingFile> {
    const path = join(this.folder, randomUUID());
    await writeFile(path, bytes);
    return { path, hash: hashOf(bytes), bytes: bytes.length };
  }

  /** The parent's answer to a request for an artifact. */
  answered(id: number, answer: { path: string } | { reason: string; corrupt: boolean }): void {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    if ('path' in answer) request?.resolve(answer.path);
    else
      request?.reject(
        answer.corrupt ? new DamagedInput(request.hash, answer.reason) : new Error(answer.reason),
      );
  }

  /** The cache may drop a file between the answer and its opening: then it is asked for again. */
  async #opened<T>(hash: string, use: (path: string) => Promise<T>): Promise<T> {
    try {
      return await use(await this.#path(hash, false));
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ENOENT') throw error;
      return use(await this.#path(hash, false));
    }
  }

  #path(hash: string, discard: boolean): Promise<string> {
    const id = ++this.#lastRequest;
    return new Promise((resolve, reject) => {
      this.#requests.set(id, { resolve, reject, hash });
      this.send({ type: 'fetch', id, hash, discard });
    });
  }
}
