import type { MetricRow } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import type { StoredChunk } from './metrics.js';

/** What the database knows of a job's curve: a stored part, and the chunks that came after it. */
export interface CurveState {
  jobId: string;
  /** Null where nothing has been compacted yet; its `file` where what was compacted had no rows. */
  stored: { cursor: number; file: { hash: string; bytes: number } | null } | null;
  /** In cursor order. Of a range of steps, those that say something about it. */
  chunks: StoredChunk[];
  /** Cursor of the newest chunk, be it stored or not; 0 before the first. */
  cursor: number;
}

interface StateRow {
  jobId: string;
  /** Of the stored curve; null in the rows of chunks. */
  newest: number | null;
  hash: string | null;
  bytes: number | null;
  cursor: number | null;
  truncateFrom: number | null;
  rows: MetricRow[] | null;
}

// One statement, and so one moment: a compaction is seen whole or not at all.
const stateSql = `
  SELECT j.id AS "jobId",
    greatest(k.cursor, (SELECT max(cursor) FROM metric_chunk WHERE job_id = j.id AND cursor <= coalesce($4, cursor)), 0) AS newest,
    k.hash, a.bytes, k.cursor, NULL::int AS "truncateFrom", NULL::json AS rows
  FROM job j LEFT JOIN metric_curve k ON k.job_id = j.id LEFT JOIN artifact a ON a.hash = k.hash
  WHERE j.id = ANY($1)
  UNION ALL
  SELECT m.job_id, NULL, NULL, NULL, m.cursor, m.truncate_from, m.rows
  FROM metric_chunk m LEFT JOIN metric_curve k ON k.job_id = m.job_id
  WHERE m.job_id = ANY($1) AND m.cursor > coalesce(k.cursor, 0) AND m.cursor <= coalesce($4, m.cursor)
    AND (m.truncate_from IS NOT NULL OR (m.to_step >= coalesce($2, 0) AND m.from_step <= coalesce($3, m.from_step)))`;

/**
 * Jobs that do not exist are left out.
 *
 * @param range.through the curves as they were when this cursor was the newest
 */
export async function curveStates(
  on: Queryable,
  jobIds: readonly string[],
  range: { from?: number | undefined; to?: number | undefined; through?: number | undefined } = {},
): Promise<CurveState[]> {
  const { rows } = await on.query<StateRow>(stateSql, [
    jobIds,
    range.from ?? null,
    range.to ?? null,
    range.through ?? null,
  ]);
  const states = new Map<string, CurveState>();
  for (const { jobId, newest, hash, bytes, cursor } of rows) {
    if (newest === null) continue;
    const file = hash === null || bytes === null ? null : { hash, bytes };
    states.set(jobId, {
      jobId,
      stored: cursor === null ? null : { cursor, file },
      chunks: [],
      cursor: newest,
    });
  }
  for (const { jobId, newest, cursor, truncateFrom, rows: told } of rows) {
    if (newest !== null || cursor === null) continue;
    states.get(jobId)?.chunks.push({ cursor, truncateFrom, rows: told ?? [] });
  }
  for (const { chunks } of states.values()) chunks.sort((a, b) => a.cursor - b.cursor);
  return [...states.values()];
}
