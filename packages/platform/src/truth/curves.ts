import type { CurveBuckets, JobBuckets, JobMetrics, MetricRow } from '@ferment/contracts';
import type { AsyncBuffer } from 'hyparquet';
import { bucketSeries, bucketWidth } from '../curves/buckets.js';
import { rowFrom, rowsOf, type CurveColumns } from '../curves/columns.js';
import {
  readCurveFile,
  readCurveOverview,
  type CurveOverview,
  type CurvePart,
  type CurvePartRead,
} from '../curves/curve-file.js';
import { bucketsOfOverview } from '../curves/overview.js';
import { KeptBytes } from '../curves/kept-bytes.js';
import type { Database } from '../postgres/database.js';
import { ArtifactCorrupt, ArtifactMissing, type ArtifactStore } from '../store/artifact-store.js';
import { curveStates, type CurveState } from './curve-state.js';
import { changedFrom, withChunks, type StoredChunk } from './metrics.js';

/** The part of a store that curves are read from. */
export type CurveStore = Pick<ArtifactStore, 'get' | 'read' | 'quarantine'>;

/** A job's curve was moved into a file that is gone or damaged. Its summaries and results are still there. */
export class CurveLost extends Error {
  override name = 'CurveLost';
  constructor(
    readonly jobId: string,
    readonly hash: string,
  ) {
    super(`the stored curve of job ${jobId} (artifact ${hash}) is missing or damaged`);
  }
}

export interface CurveRange {
  /** First and last step. */
  from?: number | undefined;
  to?: number | undefined;
  /** All of them where left out. */
  series?: readonly string[] | undefined;
}

export interface BucketsQuery extends CurveRange {
  resolution: number;
  axes?: readonly ('epoch' | 'time')[];
}

/** How many jobs' chunks are in memory at once. */
const jobsAtOnce = 8;
const keptColumns = 64 * 1024 * 1024;

/** Curves of jobs, wherever their rows are: chunks of running jobs, files of those that have ended. */
export class Curves {
  private readonly kept: KeptBytes;

  /** @param options.keptBytes bound of the columns that are kept in memory, as they were read from files */
  constructor(
    private readonly database: Database,
    private readonly store: CurveStore,
    options: { keptBytes?: number } = {},
  ) {
    this.kept = new KeptBytes(options.keptBytes ?? keptColumns);
  }

  /**
   * The curve, one row a step, rows of superseded attempts left out; null when there is no such job. With `cursor`, of
   * an earlier answer, only what has changed since.
   *
   * @throws CurveLost
   */
  async rows(
    jobId: string,
    range: CurveRange & { cursor?: number | undefined } = {},
  ): Promise<JobMetrics | null> {
    const [loaded] = await this.load([jobId], range, { epoch: true, time: true });
    if (!loaded) return null;
    if (loaded.curve === null) throw new CurveLost(jobId, loaded.lost);
    const { state, curve } = loaded;
    const rows = rowsOf(curve).filter(({ values }) => !range.series || Object.keys(values).length > 0);
    const answer = { jobId, cursor: state.cursor };
    if (range.cursor === undefined) return { ...answer, rows };
    const replaceFrom = changedSince(state, range.cursor);
    const news = replaceFrom === null ? [] : rows.filter(({ step }) => step >= replaceFrom);
    return { ...answer, rows: news, replaceFrom };
  }

  /**
   * Curves of several jobs in buckets whose edges they share; of jobs that do not exist, nothing. A curve whose file is
   * lost is marked as `damaged`.
   */
  async buckets(jobIds: readonly string[], query: BucketsQuery): Promise<CurveBuckets> {
    const loaded = await this.loadMany(jobIds, query);
    const width = widthOf(loaded, query);
    const curves: JobBuckets[] = [];
    // One after the other: whole curves that an overview is too coarse for are large.
    for (const one of loaded) {
      const job = await this.fineEnough(one, width, query);
      if ('buckets' in job) {
        curves.push(job.buckets);
        continue;
      }
      const answer = { jobId: job.state.jobId, cursor: job.state.cursor };
      if (job.curve === null) curves.push({ ...answer, names: [], series: {}, damaged: true });
      else curves.push({ ...answer, names: job.names(), series: bucketsOf(job.curve, width, query) });
    }
    return { width, curves };
  }

  /**
   * What is new in one job's curve since an answer of {@link buckets}; null when there is no such job.
   *
   * @param known `cursor` and `width` of that answer. Where its buckets do not fit the curve any more, all of it is new
   * @throws CurveLost
   */
  async bucketsSince(
    jobId: string,
    query: BucketsQuery,
    known: { cursor: number; width: number },
  ): Promise<CurveBuckets | null> {
    const [job] = await this.load([jobId], query, axesOf(query));
    if (!job) return null;
    if (job.curve === null) throw new CurveLost(jobId, job.lost);
    const { state, curve } = job;
    const width = widthOf([job], query);
    const truncated = since(state, known.cursor).some(({ truncateFrom }) => truncateFrom !== null);
    const changed = changedSince(state, known.cursor);
    const first = width !== known.width || truncated ? 0 : changed;
    const series = first === null ? {} : newBuckets(curve, width, query, first);
    return { width, curves: [{ jobId, cursor: state.cursor, names: job.names(), series }] };
  }

  /**
   * What the database and the store have of a job's curve, up to the chunk `through` (by default all of it); null when
   * there is no such job.
   */
  async whole(jobId: string, through?: number): Promise<{ state: CurveState; curve: CurveColumns } | null> {
    const [loaded] = await this.load([jobId], { through }, { epoch: true, time: true });
    if (!loaded) return null;
    if (loaded.curve !== null) return loaded;
    throw new CurveLost(jobId, loaded.lost);
  }

  /** Buckets from a curve's overview, or the curve itself where that is too coarse. */
  private async fineEnough(
    job: LoadedCurve | CurveInFew,
    width: number,
    query: BucketsQuery,
  ): Promise<LoadedCurve | { buckets: JobBuckets }> {
    if (!('overview' in job)) return job;
    const { state, overview } = job;
    const { resolution, axes = [] } = query;
    const series: JobBuckets['series'] = {};
    for (const [name, rows] of overview.series) {
      const buckets = bucketsOfOverview(rows, overview.directory.width, { width, resolution, axes });
      if (buckets === null) return this.loadOne(state, { ...query, ...axesOf(query) });
      series[name] = buckets;
    }
    const names = Object.keys(overview.directory.series);
    return { buckets: { jobId: state.jobId, cursor: state.cursor, names, series } };
  }

  /** Overviews where they will do, curves where not. */
  private async loadMany(
    jobIds: readonly string[],
    query: BucketsQuery,
  ): Promise<(LoadedCurve | CurveInFew)[]> {
    const loaded: (LoadedCurve | CurveInFew)[] = [];
    for (let start = 0; start < jobIds.length; start += jobsAtOnce) {
      const states = await curveStates(this.database.pool, jobIds.slice(start, start + jobsAtOnce), query);
      const part = { ...query, ...axesOf(query) };
      loaded.push(
        ...(await Promise.all(
          states.map(async (state) => (await this.inFew(state, query)) ?? this.loadOne(state, part)),
        )),
      );
    }
    const order = new Map(jobIds.map((id, index) => [id, index]));
    return loaded.sort((a, b) => (order.get(a.state.jobId) ?? 0) - (order.get(b.state.jobId) ?? 0));
  }

  private async load(
    jobIds: readonly string[],
    range: CurveRange & { through?: number | undefined },
    axes: { epoch: boolean; time: boolean },
  ): Promise<LoadedCurve[]> {
    const states = await curveStates(this.database.pool, jobIds, range);
    return Promise.all(states.map((state) => this.loadOne(state, { ...range, ...axes })));
  }

  /** The curve's overview, where all of it was moved into a file that has one and all of its steps are asked for. */
  private async inFew(state: CurveState, query: BucketsQuery): Promise<CurveInFew | null> {
    const file = state.stored?.file ?? null;
    const { from, to, series } = query;
    if (file === null || state.chunks.length > 0 || from !== undefined || to !== undefined || !series)
      return null;
    try {
      const overview = await readCurveOverview(bufferOf(this.store, file), file.hash, series, this.kept);
      return overview && { state, overview };
    } catch {
      // Reading all of it tells what is wrong.
      return null;
    }
  }

  private async loadOne(state: CurveState, part: CurvePart): Promise<LoadedCurve> {
    const chunks = state.chunks.map((chunk) => ({ ...chunk, rows: rowsWithin(chunk.rows, part) }));
    const file = state.stored?.file ?? null;
    const from = part.from ?? 0;
    // A job that was run again from its beginning has superseded what is stored.
    const superseded = chunks.some(({ truncateFrom }) => truncateFrom !== null && truncateFrom <= from);
    const told = () => namesIn(state.chunks);
    if (file === null || superseded) return { state, names: told, curve: withChunks(null, chunks) };
    try {
      const { names, curve } = await this.stored(file, part);
      const all = () => [...new Set([...names, ...told()])];
      return { state, names: all, curve: withChunks(curve, chunks) };
    } catch (error) {
      if (!(error instanceof ArtifactMissing || error instanceof ArtifactCorrupt)) throw error;
      // Another compaction may have put a newer file in its place between our question and our reading.
      const [now] = await curveStates(this.database.pool, [state.jobId], part);
      const same = now?.stored?.file?.hash === file.hash;
      return now && !same ? this.loadOne(now, part) : { state, curve: null, lost: file.hash };
    }
  }

  private async stored(file: { hash: string; bytes: number }, part: CurvePart): Promise<CurvePartRead> {
    try {
      return await readCurveFile(bufferOf(this.store, file), file.hash, part, this.kept);
    } catch (error) {
      if (error instanceof ArtifactMissing) throw error;
      // Either the store did not answer, which passes, or the bytes are not those that were stored.
      await this.store.read(file.hash).catch(async (cause: unknown) => {
        if (cause instanceof ArtifactCorrupt)
          await this.store.quarantine(file.hash, `reading a curve: ${cause.message}`);
        throw cause;
      });
      throw error;
    }
  }
}

/** A curve of which only the overview was read. */
interface CurveInFew {
  state: CurveState;
  overview: CurveOverview;
}

const axesOf = ({ axes }: BucketsQuery) => ({
  epoch: axes?.includes('epoch') ?? false,
  time: axes?.includes('time') ?? false,
});

type LoadedCurve =
  /** `names`: of all its series; looked for only when asked. */
  | { state: CurveState; names: () => string[]; curve: CurveColumns }
  | { state: CurveState; curve: null; lost: string };

function namesIn(chunks: readonly StoredChunk[]): string[] {
  const names = new Set<string>();
  for (const { rows } of chunks) for (const { values } of rows) for (const name in values) names.add(name);
  return [...names];
}

function bufferOf(store: CurveStore, { hash, bytes }: { hash: string; bytes: number }): AsyncBuffer {
  return {
    byteLength: bytes,
    async slice(start, end = bytes) {
      const parts: Uint8Array[] = [];
      for await (const part of await store.get(hash, { start, end: end - 1 })) parts.push(part as Uint8Array);
      const joined = Buffer.concat(parts);
      return joined.buffer.slice(joined.byteOffset, joined.byteOffset + joined.length) as ArrayBuffer;
    },
  };
}

function rowsWithin(rows: MetricRow[], { from, to, series }: CurvePart): MetricRow[] {
  const [first, last] = [from ?? 0, to ?? Infinity];
  const within: MetricRow[] = [];
  for (const row of rows) {
    const { step, epoch, time } = row;
    if (step < first || step > last) continue;
    if (!series) {
      within.push(row);
      continue;
    }
    const values: MetricRow['values'] = {};
    let some = false;
    for (const name of series) {
      const value = row.values[name];
      if (value === undefined) continue;
      values[name] = value;
      some = true;
    }
    if (some) within.push({ step, epoch, time, values });
  }
  return within;
}

/** Chunks that a reader who stands at this cursor has not seen. */
function since(state: CurveState, cursor: number): StoredChunk[] {
  return state.chunks.filter((chunk) => chunk.cursor > cursor);
}

/**
 * The step from which on a reader's curve is no longer right; null where it is. What a reader missed of what is stored
 * cannot be told apart any more, so to that one everything is new.
 */
function changedSince(state: CurveState, cursor: number): number | null {
  if (cursor > state.cursor || cursor < (state.stored?.cursor ?? 0)) return 0;
  return changedFrom(since(state, cursor));
}

/** Of the stretch of steps that these curves have within what is asked for. */
function widthOf(loaded: readonly (LoadedCurve | CurveInFew)[], { resolution }: BucketsQuery): number {
  let [first, last] = [Infinity, 0];
  for (const job of loaded) {
    if ('overview' in job) {
      const { directory } = job.overview;
      // One without rows has no steps.
      if (Object.keys(directory.series).length === 0) continue;
      first = Math.min(first, directory.first);
      last = Math.max(last, directory.last);
      continue;
    }
    const { curve } = job;
    if (curve === null || curve.step.length === 0) continue;
    first = Math.min(first, curve.step[0] ?? 0);
    last = Math.max(last, curve.step.at(-1) ?? 0);
  }
  return bucketWidth(Math.min(first, last), last, resolution);
}

function bucketsOf(
  curve: CurveColumns,
  width: number,
  { resolution, axes }: BucketsQuery,
): JobBuckets['series'] {
  const beside = Object.fromEntries((axes ?? []).map((axis) => [axis, curve[axis]]));
  return Object.fromEntries(
    [...curve.series].map(([name, { values }]) => [
      name,
      bucketSeries({ step: curve.step, values, ...beside }, width, resolution),
    ]),
  );
}

/** Buckets from that of `changed` on; whole series where a reader may have had others. */
function newBuckets(
  curve: CurveColumns,
  width: number,
  query: BucketsQuery,
  changed: number,
): JobBuckets['series'] {
  const edge = Math.floor(changed / width) * width;
  const at = rowFrom(curve.step, edge);
  const found: JobBuckets['series'] = {};
  for (const [name, all] of Object.entries(bucketsOf(curve, width, query))) {
    const values = curve.series.get(name)?.values ?? new Float64Array();
    const before = values.subarray(0, at).filter((value) => Number.isFinite(value)).length;
    if (before === all.of && changed > 0) continue;
    // Exact points became buckets when there were too many of them; before that there is nothing else to replace.
    const whole = changed === 0 || (!all.exact && before <= query.resolution);
    found[name] = { ...(whole ? all : bucketsFrom(all, edge)), replaceFrom: whole ? 0 : edge };
  }
  return found;
}

/** Those whose points are at `edge` or later, an edge of the buckets. */
function bucketsFrom(all: JobBuckets['series'][string], edge: number): JobBuckets['series'][string] {
  const start = all.step.findIndex((step) => step >= edge);
  const cut = (values: number[]): number[] => values.slice(start);
  return {
    ...all,
    shown: all.shown - start,
    step: cut(all.step),
    last: cut(all.last),
    ...(all.min && { min: cut(all.min) }),
    ...(all.max && { max: cut(all.max) }),
    ...(all.mean && { mean: cut(all.mean) }),
    ...(all.epoch && { epoch: cut(all.epoch) }),
    ...(all.time && { time: cut(all.time) }),
  };
}
