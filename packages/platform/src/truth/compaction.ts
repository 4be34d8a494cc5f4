import { endedJobStates } from '@ferment/contracts';
import { isDeepStrictEqual } from 'node:util';
import { curveFile, readCurveFile } from '../curves/curve-file.js';
import { KeptBytes } from '../curves/kept-bytes.js';
import type { Database, Queryable } from '../postgres/database.js';
import type { ArtifactStore } from '../store/artifact-store.js';
import { recordArtifacts } from './attempt-queries.js';
import type { CurveColumns } from '../curves/columns.js';
import type { Curves } from './curves.js';
import { channel, writeEvents } from './events.js';

/** Jobs that ended so long ago and still have chunks, those that ended first before the others. */
export async function endedCurves(
  on: Queryable,
  succeededSeconds: number,
  endedSeconds: number,
  limit = 200,
): Promise<string[]> {
  const { rows } = await on.query<{ id: string }>(
    `SELECT j.id FROM job j
     WHERE j.state = ANY($1) AND EXISTS (SELECT FROM metric_chunk m WHERE m.job_id = j.id)
       AND j.ended_at < clock_timestamp() - CASE j.state WHEN 'succeeded' THEN $2::float8 ELSE $3::float8 END * interval '1 second'
     ORDER BY j.ended_at LIMIT $4`,
    [endedJobStates, succeededSeconds, endedSeconds, limit],
  );
  return rows.map(({ id }) => id);
}

/**
 * Moves an ended job's chunks into its stored curve. First the file is in the store, read back and compared; then one
 * transaction refers to it, drops the chunks that are in it and tells the event log. A crash in between leaves a file
 * that nothing refers to, and every reader sees the whole curve, before and after.
 *
 * @returns false where the job is at work again, or its curve has changed meanwhile: then nothing was changed
 */
export async function compactCurve(
  database: Database,
  store: ArtifactStore,
  curves: Curves,
  jobId: string,
): Promise<boolean> {
  const whole = await curves.whole(jobId);
  if (!whole) return false;
  const { state, curve } = whole;
  const file = curve.step.length === 0 ? null : await stored(store, curve);
  return database.transaction(async (tx) => {
    // A claim moves the job first: it comes before this and is seen, or after it and sees the stored curve's cursor.
    const { rowCount } = await tx.query('SELECT FROM job WHERE id = $1 AND state = ANY($2) FOR UPDATE', [
      jobId,
      endedJobStates,
    ]);
    if (rowCount !== 1) return false;
    const { rows } = await tx.query<{ newest: number; stored: number | null }>(
      `SELECT greatest((SELECT max(cursor) FROM metric_chunk WHERE job_id = $1), k.cursor, 0) AS newest, k.cursor AS stored
       FROM job j LEFT JOIN metric_curve k ON k.job_id = j.id WHERE j.id = $1`,
      [jobId],
    );
    const now = rows[0];
    if (now?.newest !== state.cursor || now.stored !== (state.stored?.cursor ?? null)) return false;
    if (file) await recordArtifacts(tx, [file]);
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
}

/** Stores a curve's file and makes sure that what is in the store is the curve. */
async function stored(store: ArtifactStore, curve: CurveColumns): Promise<{ hash: string; bytes: number }> {
  const reference = await store.put(curveFile(curve));
  const bytes = Uint8Array.from(await store.read(reference.hash)).buffer;
  const buffer = {
    byteLength: bytes.byteLength,
    slice: (from: number, to?: number) => bytes.slice(from, to),
  };
  const again = await readCurveFile(buffer, reference.hash, {}, new KeptBytes(0));
  if (!isDeepStrictEqual(again, curve))
    throw new Error(`artifact ${reference.hash} does not read as the curve it was made from`);
  return reference;
}
