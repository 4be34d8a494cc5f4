import { endedJobStates, type ArtifactReference } from '@ferment/contracts';
import { isDeepStrictEqual } from 'node:util';
import type { CurveColumns } from '../curves/columns.js';
import { curveFile, readCurveFile } from '../curves/curve-file.js';
import { KeptBytes } from '../curves/kept-bytes.js';
import type { Database, Queryable } from '../postgres/database.js';
import type { ArtifactStore } from '../store/artifact-store.js';
import { ArtifactRecords } from './artifacts.js';
import { discardUnreferenced } from './checkpoints.js';
import type { Curves } from './curves.js';
import { channel, writeEvents } from './events.js';

/** When a curve is due to be moved. */
export interface CompactionDue {
  /** Seconds after a job's success. */
  succeededSeconds: number;
  /** Seconds after a job failed or was cancelled. */
  endedSeconds: number;
  /** A job that has not ended: seconds that a chunk stays as it came, and bytes of older ones that are worth a file. */
  settledSeconds: number;
  settledBytes: number;
}

/** A job's chunks up to this cursor are due. */
export interface DueCurve {
  jobId: string;
  through: number;
}

/** What is due, at most `limit` of it: jobs that have ended, and long curves of those that have not. */
export async function dueCurves(on: Queryable, due: CompactionDue, limit = 200): Promise<DueCurve[]> {
  const { rows } = await on.query<DueCurve>(
    `SELECT m.job_id AS "jobId", max(m.cursor) AS through
     FROM metric_chunk m JOIN job j ON j.id = m.job_id
     WHERE CASE WHEN j.state = ANY($1)
       THEN j.ended_at < clock_timestamp() - CASE j.state WHEN 'succeeded' THEN $2::float8 ELSE $3::float8 END * interval '1 second'
       ELSE m.created_at < clock_timestamp() - $4::float8 * interval '1 second' END
     GROUP BY m.job_id, j.state HAVING j.state = ANY($1) OR sum(pg_column_size(m.rows)) > $5::float8
     LIMIT $6`,
    [endedJobStates, due.succeededSeconds, due.endedSeconds, due.settledSeconds, due.settledBytes, limit],
  );
  return rows;
}

/**
 * Moves a job's chunks up to `through` into its stored curve. First the file is in the store, read back and compared;
 * then one transaction refers to it, drops the chunks that are in it and tells the event log. A crash in between leaves
 * a file that nothing refers to, and every reader sees the whole curve, before and after.
 *
 * The job may be at work meanwhile: its chunks get their cursors in the order in which they are committed, so those up
 * to `through` are all there and do not change; what comes after them stays.
 *
 * @returns false where another compaction was faster: then nothing was changed
 */
export async function compactCurve(
  database: Database,
  store: ArtifactStore,
  curves: Curves,
  { jobId, through }: DueCurve,
): Promise<boolean> {
  const whole = await curves.whole(jobId, through);
  if (!whole) return false;
  const { state, curve } = whole;
  const records = new ArtifactRecords(database, store);
  const file = curve.step.length === 0 ? null : await stored(records, store, curve);
  const moved = await database.transaction(async (tx) => {
    // Locked first and read then: a single statement would see the curve as it was before it waited for the lock.
    const { rowCount } = await tx.query('SELECT FROM job WHERE id = $1 FOR NO KEY UPDATE', [jobId]);
    const { rows } = await tx.query<{ cursor: number }>('SELECT cursor FROM metric_curve WHERE job_id = $1', [
      jobId,
    ]);
    if (rowCount === 0 || rows[0]?.cursor !== state.stored?.cursor) return false;
    if (file) await records.hold(tx, file, 'curve');
    await tx.query(
      `INSERT INTO metric_curve (job_id, hash, cursor, rows) VALUES ($1, $2, $3, $4)
       ON CONFLICT (job_id) DO UPDATE SET hash = excluded.hash, cursor = excluded.cursor, rows = excluded.rows,
         created_at = now()`,
      [jobId, file?.hash ?? null, state.cursor, curve.step.length],
    );
    await tx.query('DELETE FROM metric_chunk WHERE job_id = $1 AND cursor <= $2', [jobId, state.cursor]);
    await writeEvents(tx, [{ jobId, payload: { type: 'metrics.compacted', cursor: state.cursor } }]);
    await tx.query(`SELECT pg_notify('${channel}', 'metrics')`);
    return true;
  });
  const before = state.stored?.file?.hash;
  if (moved && before !== undefined && before !== file?.hash)
    await database.transaction((tx) => discardUnreferenced(tx, [before], (hash) => store.delete(hash)));
  return moved;
}

/** Stores a curve's file and makes sure that what is in the store is the curve. */
async function stored(
  records: ArtifactRecords,
  store: ArtifactStore,
  curve: CurveColumns,
): Promise<ArtifactReference> {
  const reference = await records.add(curveFile(curve), 'curve');
  const bytes = Uint8Array.from(await store.read(reference.hash)).buffer;
  const buffer = {
    byteLength: bytes.byteLength,
    slice: (from: number, to?: number) => bytes.slice(from, to),
  };
  const { curve: again } = await readCurveFile(buffer, reference.hash, {}, new KeptBytes(0));
  if (!isDeepStrictEqual(again, curve))
    throw new Error(`artifact ${reference.hash} does not read as the curve it was made from`);
  return reference;
}
