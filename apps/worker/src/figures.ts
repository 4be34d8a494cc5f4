import type { FailureClass, JobKind } from '@ferment/contracts';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { AttemptRun } from './attempt-run.js';
import type { CacheUsage } from './artifact-cache.js';

/** How an attempt ended here; `given up`: another one has its place, or its lease ran out. */
export type Outcome = 'succeeded' | 'failed' | 'stopped' | 'cancelled' | 'given up';

/** What is counted while a worker runs. */
export interface Tally {
  attemptEnded(kind: JobKind, outcome: Outcome, failureClass?: FailureClass): void;
  /** The store did not take a file, which is sent again. */
  uploadRepeated(): void;
  /** A child ended in the middle of a job without having been told to: the next job starts another one. */
  childDied(): void;
  heartbeatFailed(): void;
}

/** What is looked at when somebody asks. */
export interface Looked {
  /** By resource: how many of its slots there are, and how many are taken. */
  slots(): Readonly<Record<string, { total: number; taken: number }>>;
  /** Bytes for jobs (null: not bounded), and how many running ones have. */
  memory(): { total: number | null; taken: number };
  runs(): readonly Pick<AttemptRun, 'claim' | 'progress' | 'imagesPerSecond'>[];
  cache(): Promise<CacheUsage>;
  /** Child processes started so far. */
  childrenStarted(): number;
}

/**
 * One worker's own figures for Prometheus, from this process's memory: they begin at 0 with it. What is true of the
 * whole installation is told by the API, from the database.
 */
export class WorkerFigures implements Tally {
  readonly #registry = new Registry();
  readonly #ended: Counter<'kind' | 'outcome' | 'failure_class'>;
  readonly #uploads: Counter;
  readonly #deaths: Counter;
  readonly #heartbeats: Counter;

  /** @param about who the worker is, as labels of a figure that is always 1 */
  constructor(about: Readonly<Record<'worker' | 'host' | 'version', string>>) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({
      name: 'ferment_worker_info',
      help: 'Who this worker is',
      labelNames: ['worker', 'host', 'version'],
      registers,
    }).set(about, 1);
    this.#ended = new Counter({
      name: 'ferment_worker_attempts_total',
      help: 'Attempts that ended here, by kind of job and how',
      labelNames: ['kind', 'outcome', 'failure_class'],
      registers,
    });
    this.#uploads = new Counter({
      name: 'ferment_worker_upload_retries_total',
      help: 'Times that a file was sent to the store again because it had not taken it',
      registers,
    });
    this.#deaths = new Counter({
      name: 'ferment_worker_child_deaths_total',
      help: 'Child processes that ended by themselves in the middle of a job',
      registers,
    });
    this.#heartbeats = new Counter({
      name: 'ferment_worker_heartbeat_failures_total',
      help: 'Heartbeats that the database did not answer',
      registers,
    });
  }

  attemptEnded(kind: JobKind, outcome: Outcome, failureClass?: FailureClass): void {
    this.#ended.inc({ kind, outcome, failure_class: failureClass ?? 'none' });
  }
  uploadRepeated(): void {
    this.#uploads.inc();
  }
  childDied(): void {
    this.#deaths.inc();
  }
  heartbeatFailed(): void {
    this.#heartbeats.inc();
  }

  /** Prometheus text format 0.0.4: what was counted, and what is looked at now. */
  async text(looked: Looked): Promise<string> {
    return Registry.merge([this.#registry, await lookedAt(looked)]).metrics();
  }
}

async function lookedAt({ slots, memory, runs, cache, childrenStarted }: Looked): Promise<Registry> {
  const registry = new Registry();
  const registers = [registry];
  const gauge = <L extends string>(
    name: string,
    help: string,
    values: readonly (readonly [Record<L, string>, number])[],
  ): void => {
    const labelNames = Object.keys(values[0]?.[0] ?? {}) as L[];
    const one = new Gauge({ name: `ferment_worker_${name}`, help, labelNames, registers });
    for (const [labels, value] of values) one.set(labels, value);
  };
  const counter = (name: string, help: string, value: number): void =>
    new Counter({ name: `ferment_worker_${name}_total`, help, registers }).inc(value);

  const bySlot = Object.entries(slots());
  gauge('slots', 'Slots, by resource: CPU threads or graphics processors, and light jobs', [
    ...bySlot.map(([resource, { total }]) => [{ resource }, total] as const),
  ]);
  gauge('slots_taken', 'Slots that running jobs have', [
    ...bySlot.map(([resource, { taken }]) => [{ resource }, taken] as const),
  ]);
  const { total, taken } = memory();
  gauge('memory_bytes', 'Bytes of memory for jobs', total === null ? [] : [[{}, total]]);
  gauge('memory_taken_bytes', 'Bytes of memory that running jobs need at their peak', [[{}, taken]]);
  const running = runs().map((run) => ({ run, labels: { job: run.claim.jobId, kind: run.claim.kind } }));
  gauge('running', 'Attempts that run', [[{}, running.length]]);
  gauge(
    'job_rate',
    'Progress of each running job in its units a second: steps of a training, passes of an evaluation',
    running.flatMap(({ run: { progress }, labels }) =>
      progress === null || progress.rate === null
        ? []
        : [[{ ...labels, unit: progress.unit }, progress.rate] as const],
    ),
  );
  gauge(
    'images_per_second',
    'Images that each running training takes a second',
    running.flatMap(({ run, labels }) =>
      run.imagesPerSecond === null ? [] : [[labels, run.imagesPerSecond] as const],
    ),
  );
  const usage = await cache();
  gauge('cache_bytes', 'Bytes of local copies of files', [[{}, usage.bytes]]);
  gauge('cache_limit_bytes', 'Bytes that they may take (FERMENT_WORKER_CACHE)', [[{}, usage.limitBytes]]);
  gauge('cache_files', 'Local copies of files', [[{}, usage.files]]);
  counter('cache_hits', 'Files that were at hand', usage.hits);
  counter('cache_misses', 'Files that were fetched from the store', usage.misses);
  counter('child_starts', 'Child processes started', childrenStarted());
  return registry;
}

/** Where figures are served: loopback unless another address is given. */
export interface FiguresAddress {
  host: string;
  /** 0 takes a free one. */
  port: number;
}

export interface FiguresServer {
  /** Where Prometheus asks, for example `http://127.0.0.1:9464/metrics`. */
  url: string;
  close(): Promise<void>;
}

/**
 * Serves `GET /metrics`, to anybody who reaches the address.
 *
 * @throws Error where the address is taken or is none of this machine
 */
export async function serveFigures(
  { host, port }: FiguresAddress,
  text: () => Promise<string>,
): Promise<FiguresServer> {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    text().then(
      (body) =>
        response
          .writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE, 'cache-control': 'no-store' })
          .end(body),
      () => response.writeHead(500).end(),
    );
  });
  await listening(server, host, port);
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${name}:${(server.address() as AddressInfo).port}/metrics`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((ready, failed) => {
    server.once('error', (error) =>
      failed(new Error(`FERMENT_WORKER_METRICS: ${error.message}`, { cause: error })),
    );
    server.listen(port, host, ready);
  });
}
