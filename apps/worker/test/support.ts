import {
  jobCatalog,
  trainSpec,
  type ArtifactReference,
  type ImportParams,
  type InputShape,
  type JobParams,
  type LogLine,
  type MetricRow,
  type PinnedData,
} from '@ferment/contracts';
import { syntheticFaces } from '@ferment/datasets';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Bytes, Claim, Log, Truth } from '../src/truth.js';

/** Children are processes of their own: they run the compiled worker. */
export const childModule = fileURLToPath(new URL('../dist/child/main.js', import.meta.url));
if (!existsSync(childModule))
  throw new Error(`${childModule} is missing: run "npm run typecheck" first, it compiles the worker`);

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

export const sha256 = (bytes: Uint8Array | string): string =>
  createHash('sha256').update(bytes).digest('hex');

/** A store in memory, with the store's rules: content-addressed, and what is quarantined is gone. */
export class MemoryStore implements Bytes {
  readonly contents = new Map<string, Buffer>();
  readonly quarantined: string[] = [];

  async put(content: AsyncIterable<Uint8Array>): Promise<ArtifactReference> {
    const parts: Uint8Array[] = [];
    for await (const part of content) parts.push(part);
    return this.add(Buffer.concat(parts));
  }

  add(bytes: Uint8Array | string): ArtifactReference {
    const hash = sha256(bytes);
    this.contents.set(hash, Buffer.from(bytes as Uint8Array));
    return { hash, bytes: this.contents.get(hash)?.length ?? 0 };
  }

  get(hash: string): Promise<Readable> {
    const bytes = this.contents.get(hash);
    return bytes ? Promise.resolve(Readable.from([bytes])) : Promise.reject(new Error(`no ${hash}`));
  }

  has(hash: string): Promise<ArtifactReference | null> {
    const bytes = this.contents.get(hash);
    return Promise.resolve(bytes ? { hash, bytes: bytes.length } : null);
  }

  quarantine(hash: string, _reason: string): Promise<'taken' | 'sound' | 'absent'> {
    const bytes = this.contents.get(hash);
    if (bytes === undefined) return Promise.resolve('absent');
    if (sha256(bytes) === hash) return Promise.resolve('sound');
    this.quarantined.push(hash);
    this.contents.delete(hash);
    return Promise.resolve('taken');
  }

  delete(hash: string): Promise<void> {
    this.contents.delete(hash);
    return Promise.resolve();
  }
}

type Heartbeat = Awaited<ReturnType<Truth['heartbeat']>>;

/** Keeps what a worker writes, in order, and hands out the orders a test sets. */
export class RecordingTruth implements Truth {
  readonly claims: Claim[] = [];
  readonly rows: { rows: readonly MetricRow[]; truncateFrom: number | undefined }[] = [];
  readonly checkpoints: { step: number; epoch: number; artifact: ArtifactReference }[] = [];
  readonly ends: { how: 'complete' | 'fail' | 'preempted'; detail: unknown }[] = [];
  readonly log: string[] = [];
  /** Lines of attempts' logs, by job and attempt. */
  readonly logs = new Map<string, LogLine[]>();
  order: Heartbeat['orders'][number]['order'] = 'continue';
  draining = false;
  current = true;

  claim(message: { jobId: string }): Promise<Claim | null> {
    return Promise.resolve(this.claims.find(({ jobId }) => jobId === message.jobId) ?? null);
  }

  heartbeat(_worker: string, running: readonly { jobId: string; attempt: number }[]): Promise<Heartbeat> {
    const orders = running.map(({ jobId, attempt }) => ({ jobId, attempt, order: this.order }));
    return Promise.resolve({ draining: this.draining, orders });
  }

  appendMetrics(
    _job: string,
    _attempt: number,
    rows: readonly MetricRow[],
    truncateFrom?: number,
    _after?: number,
  ): Promise<boolean> {
    return this.#write(() => {
      this.rows.push({ rows, truncateFrom });
      this.log.push(...rows.map(({ step }) => `row ${step}`));
    });
  }

  appendLog(job: string, attempt: number, { lines }: Parameters<Truth['appendLog']>[2]): Promise<boolean> {
    const name = `${job} ${attempt}`;
    this.logs.set(name, [...(this.logs.get(name) ?? []), ...lines]);
    return Promise.resolve(true);
  }

  saveCheckpoint(
    _job: string,
    _attempt: number,
    checkpoint: { step: number; epoch: number; artifact: ArtifactReference },
  ): Promise<boolean> {
    return this.#write(() => {
      this.checkpoints.push(checkpoint);
      this.log.push(`checkpoint ${checkpoint.step}`);
    });
  }

  publish(): Promise<boolean> {
    return this.#write(() => undefined);
  }

  /** As the database has it: all but the newest checkpoint, and after a success that one too. */
  async discardCheckpoints(_job: string, remove: (hash: string) => Promise<void>): Promise<number> {
    const kept = this.ends.at(-1)?.how === 'complete' ? undefined : this.checkpoints.at(-1)?.artifact.hash;
    const old = this.checkpoints.map(({ artifact }) => artifact.hash).filter((hash) => hash !== kept);
    for (const hash of old) await remove(hash);
    return old.length;
  }

  complete(_job: string, _attempt: number, detail: unknown): Promise<boolean> {
    return this.#write(() => this.ends.push({ how: 'complete', detail }));
  }

  fail(_job: string, _attempt: number, detail: unknown): Promise<boolean> {
    return this.#write(() => this.ends.push({ how: 'fail', detail }));
  }

  preempted(): Promise<boolean> {
    return this.#write(() => this.ends.push({ how: 'preempted', detail: null }));
  }

  #write(change: () => void): Promise<boolean> {
    if (this.current) change();
    return Promise.resolve(this.current);
  }
}

let claims = 0;

/** Inputs as the database gives them where nothing is connected: an empty list, or null. */
function unconnected(kind: Claim['kind']): Record<string, [] | null> {
  const shapes: Readonly<Record<string, InputShape>> = jobCatalog[kind].inputs;
  return Object.fromEntries(
    Object.entries(shapes).map(([role, { arity }]) => [role, arity === 'many' ? [] : null]),
  );
}

export function claimOf(kind: Claim['kind'], params: unknown, more: Partial<Claim> = {}): Claim {
  const jobId = `00000000-0000-4000-8000-${String(++claims).padStart(12, '0')}`;
  return {
    jobId,
    attempt: 1,
    kind,
    experimentIds: [],
    params,
    inputParams: {},
    resume: null,
    cursor: 0,
    leaseSeconds: 15,
    ...more,
    inputs: { ...unconnected(kind), ...more.inputs },
  };
}

export const facesCsv = (train: number, seed = 1): string =>
  [...syntheticFaces({ train, publicTest: 40, privateTest: 40, seed })].join('');

export function importParams(source: string, more: Partial<ImportParams> = {}): ImportParams {
  return { dataset: 'faces', source, fileName: 'faces.csv', skipBad: false, synthetic: true, ...more };
}

export function dataOf(version: string): PinnedData {
  return {
    dataset: 'faces',
    version,
    labels: 'fer',
    classes: 7,
    protocol: 'official',
    preprocess: { size: 48, channels: 1 },
    subset: null,
  };
}

/** A training that takes a second or two: a narrow plain network. */
export function trainParams(version: string, epochs: number): JobParams<'train'> {
  return {
    data: dataOf(version),
    model: { name: 'vgg', width: 0.25, dropout: 0 },
    train: trainSpec.parse({
      epochs,
      batch: 20,
      schedule: { name: 'cosine', warmup: 0 },
      threads: 1,
    }),
    select: { metric: 'validation.macroF1' },
    seed: 0,
  };
}
