import type { EventRecord, JobProgress, MetricChunk } from '@ferment/contracts';
import pg from 'pg';
import { answeringWithin } from '../postgres/database.js';
import { RecentLog, type LogEntry, type LogPart } from './recent-log.js';
import { channel, eventRecordOf, type EventRow } from './events.js';

const answerMilliseconds = 15_000;

/**
 * Where a reader stands: behind the last event and the last metric chunk it has seen, each `<transaction>:<id>`, so that
 * the place is known also when the row is gone. A bare id means the row of this id; `0` the beginning. Not to be compared.
 */
export interface StreamCursor {
  event: string;
  chunk: string;
}

/** What a reader follows; nothing named means everything. An experiment brings all jobs that it demands. */
export interface FeedFilter {
  experiments: string[];
  jobs: string[];
}

export type FeedItem =
  | { name: 'event'; cursor: StreamCursor; data: EventRecord }
  | { name: 'metrics'; cursor: StreamCursor; data: MetricChunk }
  /** Chunks of this job up to this one are not here any more: they were moved into its stored curve. */
  | { name: 'curve'; cursor: StreamCursor; data: { jobId: string; cursor: number } };

export type FeedSignal = { type: 'changed' } | { type: 'progress'; jobId: string; progress: JobProgress };

const start = '0:0';
const pollMilliseconds = 1000;
/** Of events, and of chunks, at once. */
const recentLimit = 500;
/** A transaction that was open when its neighbours committed is over by then, nearly always. */
const laggardMilliseconds = 25;

/**
 * The event log and the metric chunks, to be read from any point and followed.
 *
 * Sequence numbers are given out before transactions commit, so a reader that went by them would step over rows that
 * commit late. Rows are therefore read in the order (transaction, id) and only up to the oldest transaction that is
 * still open: none with a smaller place in that order can appear afterwards.
 */
export class EventFeed {
  private readonly pool: pg.Pool;
  private readonly listeners = new Set<(signal: FeedSignal) => void>();
  private listening: pg.Client | null = null;
  private poll: NodeJS.Timeout | null = null;
  private laggard: NodeJS.Timeout | null = null;
  private stopped = false;
  private readonly recent = new RecentLog({
    now: () => this.now(),
    read: (from) => this.read(from, { experiments: [], jobs: [] }, recentLimit),
  });

  constructor(private readonly url: string) {
    this.pool = new pg.Pool({ connectionString: url, max: 4, ...answeringWithin(answerMilliseconds) });
    this.pool.on('error', () => undefined);
  }

  async start(): Promise<void> {
    await this.listen();
    // Whatever a notification missed, the poll finds.
    this.poll = setInterval(() => this.pollOnce(), pollMilliseconds);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    if (this.poll) clearInterval(this.poll);
    if (this.laggard) clearTimeout(this.laggard);
    this.listeners.clear();
    await this.listening?.end().catch(() => undefined);
    await this.pool.end();
  }

  /** The end of the log as it is now: a reader that starts there sees only what is new. */
  async now(): Promise<StreamCursor> {
    const { rows } = await this.pool.query<StreamCursor>(
      `WITH ${bound} SELECT ${tail('event')} AS event, ${tail('metric_chunk')} AS chunk`,
    );
    return rows[0] ?? { event: start, chunk: start };
  }

  /**
   * What lies behind a cursor, at most `limit` items of each kind. A reader that stands before chunks which have left the
   * log is told so by an item `curve`, and reads that curve again. The cursor given back stands behind the last item
   * or, when there is no more, at the end of the log, past what the filter left out.
   */
  async since(
    cursor: StreamCursor,
    filter: FeedFilter,
    limit = 500,
  ): Promise<{ items: FeedItem[]; cursor: StreamCursor; more: boolean }> {
    const recent = await this.recent.since(cursor, filter, limit);
    if (recent) return recent;
    const { entries, ...part } = await this.read(cursor, filter, limit);
    return { ...part, items: entries.map(({ item }) => item) };
  }

  private async read(cursor: StreamCursor, filter: FeedFilter, limit: number): Promise<LogPart> {
    const all = filter.experiments.length + filter.jobs.length === 0;
    const { rows } = await this.pool.query<SinceRow>(sinceSql, [
      ...placeOf(cursor.event),
      ...placeOf(cursor.chunk),
      all,
      filter.experiments,
      filter.jobs,
      limit + 1,
    ]);
    const answer = rows[0];
    if (!answer) return { entries: [], cursor, more: false };
    const merged = [
      ...(answer.events ?? []).map((row) => ({ kind: 'event' as const, row })),
      ...(answer.chunks ?? []).map((row) => ({ kind: 'chunk' as const, row })),
    ].sort((a, b) => compareXid(a.row.xid, b.row.xid));
    const entries: LogEntry[] = [];
    const seen = { event: 0, chunk: 0 };
    let at = cursor;
    for (const { kind, row } of merged) {
      // Beyond the limit of one kind, the other's rows are not known to follow either.
      if (seen[kind] === limit) return { entries, cursor: at, more: true };
      seen[kind] += 1;
      at = { ...at, [kind]: `${row.xid}:${row.id}` };
      const item = kind === 'event' ? eventItem(row, at) : chunkItem(row, at);
      if (item === null) continue;
      const { jobId } = row;
      const experiments = new Set((jobId !== null && answer.demands?.[jobId]) || []);
      if (kind === 'event' && row.experimentId !== null) experiments.add(row.experimentId);
      entries.push({ kind, place: { xid: Number(row.xid), id: row.id }, item, jobId, experiments });
    }
    return { entries, cursor: { event: answer.lastEvent, chunk: answer.lastChunk }, more: false };
  }

  /** Says when there is something to read, and passes on the progress of running jobs (which is not stored). */
  subscribe(listener: (signal: FeedSignal) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private tell(signal: FeedSignal): void {
    for (const listener of this.listeners) listener(signal);
  }

  private async listen(): Promise<void> {
    const client = new pg.Client({ connectionString: this.url, ...answeringWithin(answerMilliseconds) });
    client.on('error', () => {
      if (this.listening === client) this.listening = null;
      client.end().catch(() => undefined);
    });
    client.on('notification', ({ payload }) => this.heard(payload ?? ''));
    await client.connect();
    await client.query(`LISTEN ${channel}`);
    this.listening = client;
  }

  private heard(payload: string): void {
    if (payload.startsWith('{')) {
      const { jobId, progress } = JSON.parse(payload) as { jobId: string; progress: JobProgress };
      this.tell({ type: 'progress', jobId, progress });
      return;
    }
    this.tell({ type: 'changed' });
    // An older transaction may still have been open; what it hides is looked for once more.
    this.laggard ??= setTimeout(() => {
      this.laggard = null;
      this.tell({ type: 'changed' });
    }, laggardMilliseconds);
  }

  private pollOnce(): void {
    this.tell({ type: 'changed' });
    if (this.listening === null && !this.stopped) this.listen().catch(() => undefined);
  }
}

/** Transaction (null where only the id is known) and id. */
function placeOf(cursor: string): [string | null, string] {
  const [first = '0', second] = cursor.split(':');
  return second === undefined ? [null, first] : [first, second];
}

function compareXid(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

type StoredEvent = Omit<EventRow, 'time'> & { time: string };
type StoredChunk = MetricChunk & { id: number; xid: string };

function eventItem(row: StoredEvent, cursor: StreamCursor): FeedItem | null {
  const { jobId, payload } = row;
  if (payload.type !== 'metrics.compacted')
    return { name: 'event', cursor, data: eventRecordOf({ ...row, time: new Date(row.time) }) };
  return jobId === null ? null : { name: 'curve', cursor, data: { jobId, cursor: payload.cursor } };
}

function chunkItem(row: StoredChunk, cursor: StreamCursor): FeedItem {
  const { jobId, attempt, cursor: own, truncateFrom, rows } = row;
  return { name: 'metrics', cursor, data: { jobId, attempt, cursor: own, truncateFrom, rows } };
}

interface SinceRow {
  events: StoredEvent[] | null;
  chunks: StoredChunk[] | null;
  /** Of each job that something is said about, the experiments that demand it. */
  demands: Record<string, string[]> | null;
  lastEvent: string;
  lastChunk: string;
}

const bound = 'bound AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid)';

const tail = (table: string): string =>
  `coalesce((SELECT ${table}.xid::text || ':' || id FROM ${table} WHERE xid < (SELECT xid FROM bound)
     ORDER BY ${table}.xid DESC, id DESC LIMIT 1), '${start}')`;

// Of a bare id: of its row, or of the newest before it.
const place = (table: string, xid: string, id: string): string =>
  `coalesce(${xid}::xid8, (SELECT xid FROM ${table} WHERE id <= ${id}::bigint ORDER BY id DESC LIMIT 1), '0'::xid8)`;

const followed = `SELECT job_id FROM demand WHERE experiment_id = ANY($6::uuid[]) UNION SELECT unnest($7::uuid[])`;

const sinceSql = `
  WITH ${bound}, e AS (
    SELECT id, xid::text AS xid, time, experiment_id AS "experimentId", trial_id AS "trialId", job_id AS "jobId", payload
    FROM event WHERE (xid, id) > (${place('event', '$1', '$2')}, $2::bigint) AND xid < (SELECT xid FROM bound)
      AND ($5 OR experiment_id = ANY($6::uuid[]) OR job_id IN (${followed}))
    ORDER BY event.xid, id LIMIT $8
  ), c AS (
    SELECT id, xid::text AS xid, job_id AS "jobId", attempt, cursor, truncate_from AS "truncateFrom", rows
    FROM metric_chunk WHERE (xid, id) > (${place('metric_chunk', '$3', '$4')}, $4::bigint) AND xid < (SELECT xid FROM bound)
      AND ($5 OR job_id IN (${followed}))
    ORDER BY metric_chunk.xid, id LIMIT $8
  )
  SELECT (SELECT json_agg(e) FROM e) AS events, (SELECT json_agg(c) FROM c) AS chunks, (
      SELECT json_object_agg(job_id, experiments) FROM (
        SELECT job_id, json_agg(experiment_id) AS experiments FROM demand
        WHERE job_id IN (SELECT "jobId" FROM e UNION SELECT "jobId" FROM c) GROUP BY job_id
      ) d
    ) AS demands,
    ${tail('event')} AS "lastEvent", ${tail('metric_chunk')} AS "lastChunk"`;
