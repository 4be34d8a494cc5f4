import type { Queryable } from '../postgres/database.js';
import { curveOf, summariseCurve, type SeriesSummary, type StoredChunk } from './metrics.js';

/** Per series of a job's curve: points, last value, range. None for a job that told no metrics. */
export async function summariseMetrics(on: Queryable, jobId: string): Promise<SeriesSummary[]> {
  const { rows } = await on.query<{ cursor: number; truncateFrom: number | null; rows: StoredChunk['rows'] }>(
    'SELECT cursor, truncate_from AS "truncateFrom", rows FROM metric_chunk WHERE job_id = $1 ORDER BY cursor',
    [jobId],
  );
  return summariseCurve(curveOf(rows));
}

/** Puts a job's summaries in the place of those it had. */
export async function storeSummaries(
  tx: Queryable,
  jobId: string,
  series: readonly SeriesSummary[],
): Promise<void> {
  await tx.query('DELETE FROM metric_summary WHERE job_id = $1', [jobId]);
  await tx.query(
    `INSERT INTO metric_summary (job_id, series, points, last_step, last, minimum, maximum)
     SELECT $1, * FROM unnest($2::text[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::float8[])`,
    [
      jobId,
      series.map((item) => item.series),
      series.map((item) => item.points),
      series.map((item) => item.lastStep),
      series.map((item) => item.last),
      series.map((item) => item.minimum),
      series.map((item) => item.maximum),
    ],
  );
}
