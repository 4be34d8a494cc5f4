import type { JobState, TrialState } from '@ferment/contracts';

export interface MovedJob {
  id: string;
  before: JobState;
  kind: string;
  attempt: number;
  reason: string | null;
}

export interface WaitingJob {
  id: string;
  state: JobState;
  complete: boolean;
  failedInput: string | null;
}

export interface TrialRow {
  id: string;
  experiment: string;
  state: TrialState;
  was_reason: string | null;
  jobs: JobState[];
  reason: string | null;
  paused: boolean;
  /** Early stopping has still to decide whether it gets further jobs. */
  open: boolean;
  /** What it should have done next cannot be run. */
  refused: boolean;
  /** Its experiment's configurations are begun as results come in. */
  study: boolean;
}

export const moveSql = `
  UPDATE job j SET state = $3,
    reason = CASE WHEN $4 THEN $5 ELSE j.reason END,
    failure_class = CASE WHEN $6 THEN $7 ELSE j.failure_class END,
    not_before = now() + $8::float8 * interval '1 millisecond',
    queued_at = NULL,
    ready_at = CASE WHEN $3 = 'ready' THEN now() + coalesce($8::float8, 0) * interval '1 millisecond' ELSE j.ready_at END,
    started_at = CASE WHEN $3 = 'running' THEN coalesce(j.started_at, now()) ELSE j.started_at END,
    ended_at = CASE WHEN $3 IN ('succeeded', 'failed', 'cancelled') THEN now() END
  FROM (SELECT id, state FROM job WHERE id = ANY($1) AND state = ANY($2) ORDER BY id FOR UPDATE) o
  WHERE j.id = o.id
  RETURNING j.id, o.state AS before, j.kind, j.attempt, j.reason`;

export const waitingSql = `
  SELECT j.id, j.state, coalesce(bool_and(i.state = 'succeeded'), true) AS complete,
    min(CASE WHEN i.state IN ('failed', 'blocked')
      THEN CASE WHEN i.state = 'blocked' THEN i.reason
        ELSE i.kind || coalesce(' ' || i.stage, '') || ' failed: ' || coalesce(i.reason, 'no reason given') END END
    ) AS "failedInput"
  FROM job j LEFT JOIN job_dependency d ON d.job_id = j.id LEFT JOIN job i ON i.id = d.from_job_id
  WHERE j.id = ANY($1) AND j.state IN ('pending', 'ready', 'blocked') GROUP BY j.id`;

export const trialsSql = `
  SELECT t.id, t.experiment_id AS experiment, t.state, t.reason AS was_reason, array_agg(DISTINCT j.state) AS jobs,
    e.paused_at IS NOT NULL AS paused, t.open, t.refused IS NOT NULL AS refused,
    s.experiment_id IS NOT NULL AS study, coalesce(t.refused, min(j.reason) FILTER (WHERE j.state = 'failed'), min(j.reason) FILTER (WHERE j.state = 'blocked'),
      t.stopped->>'reason') AS reason
  FROM trial t JOIN experiment e ON e.id = t.experiment_id LEFT JOIN study s ON s.experiment_id = e.id
    JOIN trial_job r ON r.trial_id = t.id JOIN job j ON j.id = r.job_id
  WHERE t.id IN (SELECT trial_id FROM trial_job WHERE job_id = ANY($1)) AND e.cancelled_at IS NULL
  GROUP BY t.id, e.paused_at, s.experiment_id`;
