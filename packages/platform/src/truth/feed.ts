import type { EventRecord, JobProgress, MetricChunk, MetricRow } from '@ferment/contracts';
import pg from 'pg';
import { answeringWithin } from '../postgres/database.js';
import { channel, eventRecordOf, type EventRow } from './events.js';

const answerMilliseconds = 15_000;

/** Where a reader stands: the last event and the last metric chunk it has seen, by id. Not to be compared. */
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
  | { name: 'metrics'; cursor: StreamCursor; data: MetricChunk };

export type FeedSignal = { type: 'changed' } | { type: 'progress'; jobId: string; progress: JobProgress };

const pollMilliseconds = 1000;
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
    return rows[0] ?? { event: '0', chunk: '0' };
  }

  /**
   * What lies behind a cursor, at most `limit` items of each kind. The cursor given back stands behind the last item
   * or, when there is no more, at the end of the log, past what the filter left out.
   */
  async since(
    cursor: StreamCursor,
    filter: FeedFilter,
    limit = 500,
  ): Promise<{ items: FeedItem[]; cursor: StreamCursor; more: boolean }> {
    const all = filter.experiments.length + filter.jobs.length === 0;
    const { rows } = await this.pool.query<SinceRow>(sinceSql, [
      cursor.event,
      cursor.chunk,
      all,
      filter.experiments,
      filter.jobs,
      limit + 1,
    ]);
    const answer = rows[0];
    if (!answer) return { items: [], cursor, more: false };
    const merged = [
      ...(answer.events ?? []).map((row) => ({ kind: 'event' as const, row })),
      ...(answer.chunks ?? []).map((row) => ({ kind: 'metrics' as const, row })),
    ].sort((a, b) => compareXid(a.row.xid, b.row.xid));
    const items: FeedItem[] = [];
    const seen = { event: 0, metrics: 0 };
    let at = cursor;
    for (const entry of merged) {
      // Beyond the limit of one kind, the other's rows are not known to follow either.
      if (seen[entry.kind] === limit) return { items, cursor: at, more: true };
      seen[entry.kind] += 1;
      if (entry.kind === 'event') {
        at = { ...at, event: String(entry.row.id) };
        items.push({
          name: 'event',
          cursor: at,
          data: eventRecordOf({ ...entry.row, time: new Date(entry.row.time) }),
        });
      } else {
        const { id, xid: _, ...chunk } = entry.row;
        at = { ...at, chunk: String(id) };
        items.push({ name: 'metrics', cursor: at, data: chunk });
      }
    }
    return { items, cursor: { event: answer.lastEvent, chunk: answer.lastChunk }, more: false };
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

function compareXid(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

interface SinceRow {
  events: (Omit<EventRow, 'time'> & { time: string })[] | null;
  chunks:
    | {
        id: number;
        xid: string;
        jobId: string;
        attempt: number;
        cursor: number;
        truncateFrom: number | null;
        rows: MetricRow[];
      }[]
    | null;
  lastEvent: string;
  lastChunk: string;
}

const bound = 'bound AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid)';

const tail = (table: string): string =>
  `coalesce((SELECT id FROM ${table} WHERE xid < (SELECT xid FROM bound) ORDER BY xid DESC, id DESC LIMIT 1), 0)::text`;

// The place of a row that is gone is taken by the newest before it.
const place = (table: string, parameter: string): string =>
  `coalesce((SELECT xid FROM ${table} WHERE id <= ${parameter}::bigint ORDER BY id DESC LIMIT 1), '0'::xid8)`;

const followed = `SELECT job_id FROM demand WHERE experiment_id = ANY($4::uuid[]) UNION SELECT unnest($5::uuid[])`;

const sinceSql = `
  WITH ${bound}, e AS (
    SELECT id, xid::text AS xid, time, experiment_id AS "experimentId", trial_id AS "trialId", job_id AS "jobId", payload
    FROM event WHERE (xid, id) > (${place('event', '$1')}, $1::bigint) AND xid < (SELECT xid FROM bound)
      AND ($3 OR experiment_id = ANY($4::uuid[]) OR job_id IN (${followed}))
    ORDER BY event.xid, id LIMIT $6
  ), c AS (
    SELECT id, xid::text AS xid, job_id AS "jobId", attempt, cursor, truncate_from AS "truncateFrom", rows
    FROM metric_chunk WHERE (xid, id) > (${place('metric_chunk', '$2')}, $2::bigint) AND xid < (SELECT xid FROM bound)
      AND ($3 OR job_id IN (${followed}))
    ORDER BY metric_chunk.xid, id LIMIT $6
  )
  SELECT (SELECT json_agg(e) FROM e) AS events, (SELECT json_agg(c) FROM c) AS chunks,
    ${tail('event')} AS "lastEvent", ${tail('metric_chunk')} AS "lastChunk"`;
