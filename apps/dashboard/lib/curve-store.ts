import { jobMetrics, type JobMetrics, type MetricChunk, type MetricRow } from '@ferment/contracts';
import { read } from './client';

interface Curve {
  cursor: number;
  rows: MetricRow[];
}

/** What a chunk did to a curve: applied, seen before, or a chunk between is missing. */
export type Applied = 'applied' | 'repeated' | 'gap';

/**
 * Adds a chunk to a curve in place. A resumed attempt's chunk first takes away the rows from `truncateFrom` on:
 * they were computed again.
 */
export function applyChunk(curve: Curve, chunk: MetricChunk): Applied {
  if (chunk.cursor <= curve.cursor) return 'repeated';
  if (chunk.cursor > curve.cursor + 1) return 'gap';
  const { truncateFrom } = chunk;
  if (truncateFrom !== null) curve.rows = curve.rows.filter((row) => row.step < truncateFrom);
  curve.rows.push(...chunk.rows);
  curve.cursor = chunk.cursor;
  return 'applied';
}

/**
 * The curves of the jobs on a page: loaded once over REST, then kept up by the stream's chunks. A chunk that arrives
 * while its curve loads waits; a missing one loads the curve again.
 */
export class CurveStore {
  private readonly curves = new Map<string, Curve>();
  private readonly loading = new Map<string, MetricChunk[]>();
  private readonly listeners = new Set<() => void>();
  private scheduled: ReturnType<typeof setTimeout> | null = null;
  private changes = 0;

  constructor(
    private readonly load: (jobId: string) => Promise<JobMetrics> = (jobId) =>
      read(`jobs/${jobId}/metrics`, jobMetrics),
  ) {}

  /** Rises with every visible change: the snapshot that React compares. */
  version = (): number => this.changes;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  rows(jobId: string): readonly MetricRow[] {
    return this.curves.get(jobId)?.rows ?? [];
  }

  has(jobId: string): boolean {
    return this.curves.has(jobId);
  }

  /** Loads a job's curve unless it is there or on its way. */
  async want(jobId: string): Promise<void> {
    if (this.curves.has(jobId) || this.loading.has(jobId)) return;
    await this.reload(jobId);
  }

  /** Loads every curve again, as after a stream that had to start anew. */
  async reloadAll(): Promise<void> {
    await Promise.allSettled([...this.curves.keys()].map((jobId) => this.reload(jobId)));
  }

  receive(chunk: MetricChunk): void {
    const waiting = this.loading.get(chunk.jobId);
    if (waiting) {
      waiting.push(chunk);
      return;
    }
    const curve = this.curves.get(chunk.jobId);
    if (!curve) return;
    const applied = applyChunk(curve, chunk);
    if (applied === 'applied') this.changed();
    // A failed load leaves the curve as it was; the next chunk tries again.
    if (applied === 'gap') this.reload(chunk.jobId).catch(() => undefined);
  }

  /** The job's chunks up to `cursor` are streamed no more: a curve that lacks some of them is loaded again. */
  compacted(jobId: string, cursor: number): void {
    const curve = this.curves.get(jobId);
    if (curve && curve.cursor < cursor) this.reload(jobId).catch(() => undefined);
  }

  private async reload(jobId: string): Promise<void> {
    if (this.loading.has(jobId)) return;
    const waiting: MetricChunk[] = [];
    this.loading.set(jobId, waiting);
    try {
      const { cursor, rows } = await this.load(jobId);
      const curve: Curve = { cursor, rows: [...rows] };
      this.curves.set(jobId, curve);
      for (const chunk of waiting) applyChunk(curve, chunk);
      this.changed();
    } finally {
      this.loading.delete(jobId);
    }
  }

  /** Redraws at most every 100 ms, however fast chunks come. */
  private changed(): void {
    this.scheduled ??= setTimeout(() => {
      this.scheduled = null;
      this.changes += 1;
      for (const listener of this.listeners) listener();
    }, 100);
  }
}
