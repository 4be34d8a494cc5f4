import {
  attemptTransitions,
  type ArtifactReference,
  type AttemptState,
  type JobKind,
} from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import { isWanted } from './counters.js';
import { channel } from './events.js';
import type { Failure } from './failure.js';
import { statesBefore } from './transitions.js';

/** True while the attempt runs; it cannot end before this transaction does. */
export async function isRunning(tx: Queryable, jobId: string, attempt: number): Promise<boolean> {
  const { rowCount } = await tx.query(
    `SELECT FROM attempt WHERE job_id = $1 AND number = $2 AND state = 'running' FOR SHARE`,
    [jobId, attempt],
  );
  return rowCount === 1;
}

/** Ends an attempt that is its job's running one; null, and nothing is changed, for any other. */
export async function endAttempt(
  tx: Queryable,
  jobId: string,
  attempt: number,
  state: 'succeeded' | 'failed' | 'preempted',
  failure?: Failure,
): Promise<{ kind: JobKind } | null> {
  const { rows } = await tx.query<{ kind: JobKind }>(
    `UPDATE attempt a SET state = $3, ended_at = now(), failure_class = $4, reason = $5, details = $6
     FROM job j WHERE a.job_id = $1 AND a.number = $2 AND a.state = ANY($7) AND j.id = a.job_id
       AND j.state = 'running' AND j.attempt = a.number RETURNING j.kind`,
    [
      jobId,
      attempt,
      state,
      failure?.failureClass ?? null,
      failure?.reason ?? null,
      failure?.details === undefined ? null : JSON.stringify(failure.details),
      statesBefore<AttemptState>(attemptTransitions, state),
    ],
  );
  return rows[0] ?? null;
}

/**
 * Notes artifacts, and that they are of use again; one that is being collected is waited for. Whoever then refers to
 * them in the same transaction keeps them.
 *
 * @param kinds what each is for, beside it
 */
export async function recordArtifacts(
  tx: Queryable,
  artifacts: readonly ArtifactReference[],
  kinds: readonly (string | null)[],
): Promise<void> {
  await tx.query(
    `INSERT INTO artifact AS a (hash, bytes, kind) SELECT DISTINCT ON (hash) hash, bytes, kind
       FROM unnest($1::text[], $2::bigint[], $3::text[]) AS a(hash, bytes, kind) ORDER BY hash
     ON CONFLICT (hash) DO UPDATE SET unreferenced_at = NULL, kind = coalesce(a.kind, excluded.kind)
       WHERE a.unreferenced_at IS NOT NULL OR a.kind IS NULL`,
    [artifacts.map(({ hash }) => hash), artifacts.map(({ bytes }) => bytes), kinds],
  );
}

/** Files that an attempt is about to store. */
export interface Publication {
  jobId: string;
  attempt: number;
  artifacts: readonly ArtifactReference[];
}

/** Notes the files of those attempts that are running, in one statement; says which are. */
export async function publishFiles(on: Queryable, publications: readonly Publication[]): Promise<boolean[]> {
  const files = publications.flatMap(({ artifacts }, place) =>
    artifacts.map((file) => ({ place: place + 1, ...file })),
  );
  const { rows } = await on.query<{ place: number }>(
    `WITH running AS (
       SELECT q.place, q.id, q.number FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS q(id, number, place)
         JOIN attempt a ON a.job_id = q.id AND a.number = q.number AND a.state = 'running' FOR SHARE OF a
     ), file AS (
       SELECT r.id, r.number, f.hash, f.bytes FROM running r
         JOIN unnest($3::int[], $4::text[], $5::bigint[]) AS f(place, hash, bytes) ON f.place = r.place
     ), kept AS (
       INSERT INTO artifact AS a (hash, bytes) SELECT DISTINCT ON (hash) hash, bytes FROM file ORDER BY hash
       ON CONFLICT (hash) DO UPDATE SET unreferenced_at = NULL WHERE a.unreferenced_at IS NOT NULL OR a.kind IS NULL
     ), noted AS (
       INSERT INTO publication (job_id, attempt, hash) SELECT DISTINCT id, number, hash FROM file ON CONFLICT DO NOTHING
     )
     SELECT place::int AS place FROM running`,
    [
      publications.map(({ jobId }) => jobId),
      publications.map(({ attempt }) => attempt),
      files.map(({ place }) => place),
      files.map(({ hash }) => hash),
      files.map(({ bytes }) => bytes),
    ],
  );
  const running = new Set(rows.map(({ place }) => place - 1));
  return publications.map((_, place) => running.has(place));
}

/** Worker, its jobs, their attempts, their progress, seconds of lease: renews, and tells what each attempt's state is. */
export const heartbeatSql = `
  WITH w AS (
    UPDATE worker SET heartbeat_at = clock_timestamp(), state = CASE state WHEN 'gone' THEN 'active' ELSE state END
    WHERE id = $1 RETURNING state
  ), told AS (
    SELECT job_id, number, progress FROM unnest($2::uuid[], $3::int[], $4::json[]) AS t(job_id, number, progress)
  ), renewed AS (
    UPDATE attempt a SET lease_until = clock_timestamp() + $5::float8 * interval '1 second',
      progress = coalesce(t.progress, a.progress)
    FROM told t WHERE a.job_id = t.job_id AND a.number = t.number AND a.state = 'running' AND a.worker_id = $1
    RETURNING a.job_id
  ), progress AS (
    SELECT count(pg_notify('${channel}', json_build_object('jobId', t.job_id, 'progress', t.progress)::text)) AS n
    FROM told t JOIN renewed r ON r.job_id = t.job_id WHERE t.progress IS NOT NULL
  )
  SELECT coalesce((SELECT state = 'draining' FROM w), false) AS draining, (SELECT n FROM progress) AS sent, (
    SELECT json_agg(json_build_object('jobId', a.job_id, 'attempt', a.number, 'state', a.state, 'wanted',
      ${isWanted('j')}))
    FROM told t JOIN attempt a ON a.job_id = t.job_id AND a.number = t.number AND a.worker_id = $1
      JOIN job j ON j.id = a.job_id
  ) AS orders`;

/**
 * Fences, gives out the cursor, appends and notifies in one statement. With $7, the cursor before, a repeat meets its
 * own chunk and changes nothing.
 */
export const appendSql = `
  WITH a AS (
    UPDATE attempt SET metric_cursor = coalesce($7::int, metric_cursor) + 1
    WHERE job_id = $1 AND number = $2 AND state = 'running'
      AND ($7::int IS NULL OR metric_cursor IN ($7::int, $7::int + 1)) RETURNING metric_cursor
  ), c AS (
    INSERT INTO metric_chunk (job_id, attempt, cursor, from_step, to_step, truncate_from, rows)
    SELECT $1, $2, metric_cursor, $3::int, $4::int, $5::int, $6::json FROM a
    ON CONFLICT (job_id, cursor) DO NOTHING
  )
  SELECT pg_notify('${channel}', 'metrics') FROM a`;

/**
 * {@link appendSql} for several jobs at once, an append each: the jobs whose append was stored. Attempts that another
 * transaction has locked are left out rather than waited for, so that nobody waits for anybody in a circle.
 */
export const appendManySql = `
  WITH told AS (
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[], $6::json[], $7::int[])
      AS t(job_id, number, from_step, to_step, truncate_from, rows, after)
  ), free AS MATERIALIZED (
    SELECT a.job_id, a.number FROM attempt a JOIN told t USING (job_id, number)
    WHERE a.state = 'running' AND (t.after IS NULL OR a.metric_cursor IN (t.after, t.after + 1))
    FOR NO KEY UPDATE OF a SKIP LOCKED
  ), a AS (
    UPDATE attempt a SET metric_cursor = coalesce(t.after, a.metric_cursor) + 1
    FROM free JOIN told t USING (job_id, number) WHERE a.job_id = free.job_id AND a.number = free.number
    RETURNING a.job_id, a.number, a.metric_cursor, t.from_step, t.to_step, t.truncate_from, t.rows
  ), c AS (
    INSERT INTO metric_chunk (job_id, attempt, cursor, from_step, to_step, truncate_from, rows)
    SELECT job_id, number, metric_cursor, from_step, to_step, truncate_from, rows FROM a
    ON CONFLICT (job_id, cursor) DO NOTHING
  ), told_readers AS (SELECT pg_notify('${channel}', 'metrics') FROM a LIMIT 1)
  SELECT a.job_id AS "jobId", (SELECT count(*) FROM told_readers) AS told FROM a`;
