import { curveBuckets, type CurveBuckets, type MetricChunk } from '@ferment/contracts';
import { read } from './client';
import { appended, seriesFrom, truncated, type Series } from './series';

/** What a chunk did to a series: applied, seen before, or what it says cannot be added to what is there. */
export type Applied = 'applied' | 'repeated' | 'gap';

export interface CurvesWanted {
  readonly jobs: readonly string[];
  readonly series: readonly string[];
  readonly resolution: number;
  /** First and last step; all where left out. */
  readonly steps?: readonly [number, number];
}

/** Curves of several jobs in buckets; at most {@link jobsOfRequest} of them. */
export async function loadCurves(
  { jobs, series, resolution, steps }: CurvesWanted,
  signal?: AbortSignal,
): Promise<CurveBuckets['curves']> {
  const query = new URLSearchParams(jobs.map((job) => ['job', job]));
  // Asked for no series, the answer has them all.
  query.set('series', series.join(',') || 'none');
  query.set('resolution', String(resolution));
  query.set('axes', 'epoch,time');
  if (steps) {
    query.set('from', String(steps[0]));
    query.set('to', String(steps[1]));
  }
  return (await read(`metrics?${query.toString()}`, curveBuckets, signal)).curves;
}

/** Jobs whose curves are asked for at once: the first of many are drawn while the others come. */
export const jobsOfRequest = 50;
const manyJobs = 40;

interface Curve {
  /** Of all series that it has, loaded or not. */
  names: Set<string>;
  series: Map<string, { points: Series; cursor: number }>;
}

/**
 * The curves of the jobs on a page: the series that are wanted, loaded in buckets, then kept up by the stream's chunks.
 * A chunk that arrives while its curve loads waits; a missing one, or a curve that has grown past twice the buckets
 * that were asked for, loads it again: a page that stays open does not grow.
 */
export class CurveStore {
  private readonly curves = new Map<string, Curve>();
  /** By job: the series on their way, and the chunks that came meanwhile. */
  private readonly loading = new Map<string, { series: Set<string>; chunks: MetricChunk[] }>();
  private readonly listeners = new Set<() => void>();
  private scheduled: ReturnType<typeof setTimeout> | null = null;
  private changes = 0;
  private asked = false;

  /** @param resolution buckets of a series at most */
  constructor(
    private readonly load: (wanted: CurvesWanted) => Promise<CurveBuckets['curves']> = loadCurves,
    private readonly resolution = 400,
  ) {}

  /** Rises with every visible change: the snapshot that React compares. */
  version = (): number => this.changes;

  /** Whether what was wanted first has come, or could not: what is less urgent need wait no longer. */
  settled = (): boolean => this.asked && this.loading.size === 0;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Of one job; undefined before it is loaded, and where the job has no such series. */
  series(jobId: string, name: string): Series | undefined {
    return this.curves.get(jobId)?.series.get(name)?.points;
  }

  /** Names of the series that any of the jobs has. */
  names(jobs: readonly string[]): string[] {
    return [...new Set(jobs.flatMap((job) => [...(this.curves.get(job)?.names ?? [])]))];
  }

  /** Whether the job's curve was asked for and came. */
  has(jobId: string): boolean {
    return this.curves.has(jobId);
  }

  /** Loads series of jobs' curves, but those that are there or on their way. */
  async want(jobs: readonly string[], series: readonly string[]): Promise<void> {
    // Those that lack the same series are asked for together.
    const together = new Map<string, string[]>();
    for (const job of jobs) {
      const curve = this.curves.get(job);
      const coming = this.loading.get(job)?.series;
      const missing = series.filter((name) => !curve?.series.has(name) && !coming?.has(name));
      if (curve ? missing.length === 0 : coming && missing.length === 0) continue;
      const key = missing.join(',');
      together.set(key, [...(together.get(key) ?? []), job]);
    }
    await Promise.all(
      [...together].map(([key, members]) => this.fetch(members, key.split(',').filter(Boolean))),
    );
  }

  /** Loads everything again, as after a stream that had to start anew. */
  async reloadAll(): Promise<void> {
    await Promise.allSettled([...this.curves.keys()].map((jobId) => this.reload(jobId)));
  }

  receive(chunk: MetricChunk): void {
    this.loading.get(chunk.jobId)?.chunks.push(chunk);
    const curve = this.curves.get(chunk.jobId);
    if (!curve) return;
    const applied = this.apply(curve, chunk);
    if (applied === 'applied') this.changed();
    // A failed load leaves the curve as it was; the next chunk tries again.
    if (applied === 'gap') this.reload(chunk.jobId).catch(() => undefined);
  }

  /** The job's chunks up to `cursor` are streamed no more: a curve that lacks some of them is loaded again. */
  compacted(jobId: string, cursor: number): void {
    const known = [...(this.curves.get(jobId)?.series.values() ?? [])];
    if (known.some((series) => series.cursor < cursor)) this.reload(jobId).catch(() => undefined);
  }

  private apply(curve: Curve, chunk: MetricChunk): Applied {
    for (const row of chunk.rows) for (const name in row.values) curve.names.add(name);
    const all = [...curve.series].map(([name, series]): Applied => {
      if (chunk.cursor <= series.cursor) return 'repeated';
      if (chunk.cursor > series.cursor + 1) return 'gap';
      const { truncateFrom } = chunk;
      const kept = truncateFrom === null ? series.points : truncated(series.points, truncateFrom);
      if (kept === null) return 'gap';
      const points = appended(kept, chunk.rows, name);
      if (points.step.length > 2 * this.resolution) return 'gap';
      series.points = points;
      series.cursor = chunk.cursor;
      return 'applied';
    });
    return all.includes('gap') ? 'gap' : all.includes('applied') ? 'applied' : 'repeated';
  }

  private reload(jobId: string): Promise<void> {
    const known = this.curves.get(jobId);
    if (this.loading.has(jobId) || !known) return Promise.resolve();
    return this.fetch([jobId], [...known.series.keys()]);
  }

  private async fetch(jobs: readonly string[], series: readonly string[]): Promise<void> {
    this.asked = true;
    for (const job of jobs) {
      const coming = this.loading.get(job) ?? { series: new Set<string>(), chunks: [] };
      for (const name of series) coming.series.add(name);
      this.loading.set(job, coming);
    }
    try {
      // Of many curves on one chart each has less room.
      const resolution = jobs.length > manyJobs ? Math.ceil(this.resolution / 2) : this.resolution;
      for (let start = 0; start < jobs.length; start += jobsOfRequest) {
        const asked = jobs.slice(start, start + jobsOfRequest);
        this.take(asked, series, await this.load({ jobs: asked, series, resolution }));
      }
    } finally {
      for (const job of jobs) {
        const coming = this.loading.get(job);
        for (const name of series) coming?.series.delete(name);
        if (coming?.series.size === 0) this.loading.delete(job);
      }
      this.changed();
    }
  }

  private take(jobs: readonly string[], series: readonly string[], answer: CurveBuckets['curves']): void {
    for (const { jobId, cursor, names, series: found } of answer) {
      const curve = this.curves.get(jobId) ?? { names: new Set(), series: new Map() };
      for (const name of names) curve.names.add(name);
      const fresh: Curve['series'] = new Map(
        series.map((name) => [name, { points: seriesFrom(found[name]), cursor }]),
      );
      for (const chunk of this.loading.get(jobId)?.chunks ?? [])
        this.apply({ names: curve.names, series: fresh }, chunk);
      for (const [name, loaded] of fresh) curve.series.set(name, loaded);
      this.curves.set(jobId, curve);
    }
    // Of jobs that are gone nothing was answered.
    for (const job of jobs)
      if (!this.curves.has(job)) this.curves.set(job, { names: new Set(), series: new Map() });
    this.changed();
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
