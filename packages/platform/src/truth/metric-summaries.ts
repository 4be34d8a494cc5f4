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
