import type { AttemptState, JobKind } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import type { NewEvent } from './events.js';

/** Upper bounds of the classes that durations are counted in, seconds; the last class has none. */
export const durationBounds = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900, 3600, 10_800, 43_200, 86_400,
] as const;

/** How long jobs waited, ready and not held back, until they ran; how long an attempt ran, by how it ended. */
export type DurationFigure = 'wait' | 'run';

/**
 * Counts the attempts that began and ended with a change of the job graph. In the change's own transaction, under the
 * graph's lock: each once, whichever process wrote it, and for good: what `gc` deletes stays counted.
 */
export async function countDurations(tx: Queryable, events: readonly NewEvent[]): Promise<void> {
  const changed = events.flatMap(({ jobId, payload }) =>
    payload.type === 'attempt.changed' && jobId !== undefined ? [{ jobId, attempt: payload.attempt }] : [],
  );
  if (changed.length === 0) return;
  await tx.query(
    `WITH a AS (
       SELECT DISTINCT j.kind, a.job_id, a.number, a.state, a.started_at, a.ended_at, j.ready_at
       FROM unnest($1::uuid[], $2::int[]) AS c(job_id, number)
         JOIN attempt a ON a.job_id = c.job_id AND a.number = c.number JOIN job j ON j.id = a.job_id
     ), d AS (
       SELECT 'wait' AS figure, kind, '' AS outcome, greatest(0, extract(epoch FROM started_at - ready_at))::float8 AS seconds
       FROM a WHERE state = 'running' AND ready_at IS NOT NULL
       UNION ALL
       SELECT 'run', kind, state, greatest(0, extract(epoch FROM ended_at - started_at))::float8 FROM a
       WHERE ended_at IS NOT NULL
     )
     INSERT INTO duration_count AS n (figure, kind, outcome, class, count, sum)
     SELECT figure, kind, outcome, (SELECT count(*) FROM unnest($3::float8[]) AS b(bound) WHERE b.bound < seconds)::int AS class,
       count(*), sum(seconds) FROM d GROUP BY 1, 2, 3, 4
     ON CONFLICT (figure, kind, outcome, class) DO UPDATE SET count = n.count + excluded.count, sum = n.sum + excluded.sum`,
    [changed.map(({ jobId }) => jobId), changed.map(({ attempt }) => attempt), [...durationBounds]],
  );
}

/** One histogram: how many lasted no longer than each of {@link durationBounds}, all of them, and their seconds. */
export interface DurationHistogram {
  figure: DurationFigure;
  kind: JobKind;
  /** Of `run`. */
  outcome: AttemptState | '';
  /** Running totals, one for each bound. */
  upTo: number[];
  count: number;
  sum: number;
}

/** Since the installation began. */
export async function durationHistograms(database: Queryable): Promise<DurationHistogram[]> {
  const { rows } = await database.query<
    Pick<DurationHistogram, 'figure' | 'kind' | 'outcome' | 'sum'> & { classes: number[]; counts: number[] }
  >(
    `SELECT figure, kind, outcome, array_agg(class) AS classes, array_agg(count::float8) AS counts, sum(sum) AS sum
     FROM duration_count GROUP BY figure, kind, outcome ORDER BY figure, kind, outcome`,
  );
  return rows.map(({ classes, counts, ...row }) => {
    const below = (place: number): number =>
      classes.reduce((sum, own, at) => (own <= place ? sum + (counts[at] ?? 0) : sum), 0);
    return { ...row, upTo: durationBounds.map((_, place) => below(place)), count: below(Infinity) };
  });
}
