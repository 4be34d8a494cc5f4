import type { Queryable } from '../postgres/database.js';
import { CurveLost, type Curves } from './curves.js';
import { curveStates } from './curve-state.js';
import { summariseCurve, withChunks, type SeriesSummary } from './metrics.js';

/**
 * Per series of a job's curve: points, last value, range. None for a job that told no metrics. Where a part of the curve
 * that was moved into a file is lost, the rest is summarised: a training is not lost for it.
 */
export async function summariseMetrics(
  on: Queryable,
  curves: Curves,
  jobId: string,
): Promise<SeriesSummary[]> {
  try {
    const whole = await curves.whole(jobId);
    return whole ? summariseCurve(whole.curve) : [];
  } catch (error) {
    if (!(error instanceof CurveLost)) throw error;
    const [state] = await curveStates(on, [jobId]);
    return state ? summariseCurve(withChunks(null, state.chunks)) : [];
  }
}

/** Puts jobs' summaries in the place of those they had. */
export async function storeSummaries(
  tx: Queryable,
  jobs: readonly { jobId: string; series: readonly SeriesSummary[] }[],
): Promise<void> {
  await tx.query('DELETE FROM metric_summary WHERE job_id = ANY($1)', [jobs.map(({ jobId }) => jobId)]);
  const all = jobs.flatMap(({ jobId, series }) => series.map((item) => ({ jobId, ...item })));
  if (all.length === 0) return;
  await tx.query(
    `INSERT INTO metric_summary (job_id, series, points, last_step, last, minimum, maximum)
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::float8[])`,
    [
      all.map(({ jobId }) => jobId),
      all.map((item) => item.series),
      all.map((item) => item.points),
      all.map((item) => item.lastStep),
      all.map((item) => item.last),
      all.map((item) => item.minimum),
      all.map((item) => item.maximum),
    ],
  );
}
