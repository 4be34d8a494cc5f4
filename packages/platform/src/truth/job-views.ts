import type {
  ArtifactReference,
  AttemptItem,
  FailureClass,
  JobItem,
  JobProgress,
  JobState,
} from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import { isWanted } from './counters.js';

interface JobRow {
  id: string;
  key: string;
  kind: string;
  stage: string | null;
  state: JobState;
  cached: boolean;
  pausing: boolean;
  reason: string | null;
  failureClass: FailureClass | null;
  params: JobItem['params'];
  macs: number | null;
  result: JobItem['result'];
  inputs: JobItem['inputs'] | null;
  outputs: Record<string, ArtifactReference> | null;
  summaries: JobItem['summaries'] | null;
  attempts: (AttemptItem & { progress: JobProgress | null })[] | null;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
}

/** `details` can be long: it is read for one job, not for a list. */
const columns = (
  details: 't.details' | 'null',
) => `j.id, j.key, j.kind, j.stage, j.reason, j.failure_class AS "failureClass", j.params, j.cost_macs AS macs,
  j.result,
  j.state = 'running' AND NOT ${isWanted('j')} AS pausing,
  j.created_at AS "createdAt", j.started_at AS "startedAt", j.ended_at AS "endedAt",
  (SELECT json_agg(json_build_object('role', d.role, 'position', d.position, 'jobId', d.from_job_id, 'output', d.output)
     ORDER BY d.role, d.position) FROM job_dependency d WHERE d.job_id = j.id) AS inputs,
  (SELECT json_object_agg(o.role, json_build_object('hash', a.hash, 'bytes', a.bytes))
     FROM job_output o JOIN artifact a ON a.hash = o.hash WHERE o.job_id = j.id) AS outputs,
  (SELECT json_object_agg(s.series, json_build_object('points', s.points, 'last', s.last, 'lastStep', s.last_step,
     'min', s.minimum, 'max', s.maximum)) FROM metric_summary s WHERE s.job_id = j.id) AS summaries,
  (SELECT json_agg(json_build_object('number', t.number, 'state', t.state, 'worker', t.worker_id,
     'startedAt', t.started_at, 'endedAt', t.ended_at, 'failureClass', t.failure_class, 'reason', t.reason,
     'details', ${details}, 'resumedFromStep', t.resumed_from_step, 'progress', t.progress) ORDER BY t.number)
     FROM attempt t WHERE t.job_id = j.id) AS attempts`;

/** Jobs with inputs, outputs and attempts: one by id, or an experiment's in the plan's order. */
export async function jobItems(
  database: Database,
  which: { id: string } | { experiment: string },
): Promise<JobItem[]> {
  const { rows } =
    'id' in which
      ? await database.pool.query<JobRow>(
          `SELECT ${columns('t.details')}, j.state, false AS cached FROM job j WHERE j.id = $1`,
          [which.id],
        )
      : await database.pool.query<JobRow>(
          `SELECT ${columns('null')}, w.cached, CASE WHEN w.state = 'withdrawn' AND j.state NOT IN ('succeeded', 'failed')
             THEN 'cancelled' ELSE j.state END AS state
           FROM demand w JOIN job j ON j.id = w.job_id WHERE w.experiment_id = $1 ORDER BY w.position`,
          [which.experiment],
        );
  return rows.map(jobItemOf);
}

function jobItemOf({
  attempts,
  inputs,
  outputs,
  summaries,
  createdAt,
  startedAt,
  endedAt,
  ...job
}: JobRow): JobItem {
  const current = (attempts ?? []).at(-1);
  // A job that was put away goes on where it stopped.
  const goesOn = current?.state === 'running' || (current?.state === 'preempted' && endedAt === null);
  return {
    ...job,
    inputs: inputs ?? [],
    outputs: outputs ?? {},
    summaries: summaries ?? {},
    progress: goesOn ? current.progress : null,
    attempts: (attempts ?? []).map(({ progress: _, ...attempt }) => ({
      ...attempt,
      startedAt: new Date(attempt.startedAt).toISOString(),
      endedAt: attempt.endedAt === null ? null : new Date(attempt.endedAt).toISOString(),
    })),
    createdAt: createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    endedAt: endedAt?.toISOString() ?? null,
  };
}
