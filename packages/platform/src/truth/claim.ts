import { jobCatalog, type ArtifactReference, type JobEntry, type JobKind } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import { isWanted } from './counters.js';
import type { Graph } from './graph.js';

/** What an input role holds, by its arity in the catalog: one, a list in order, or one or null. */
export type ByArity<T> = Record<string, T | T[] | null>;

/** An attempt that is this worker's now, with all that it needs. */
export interface Claim {
  jobId: string;
  attempt: number;
  kind: JobKind;
  /** Experiments that want the job, oldest first: what its logs name. A handful at most. */
  experimentIds: string[];
  params: unknown;
  inputs: ByArity<ArtifactReference>;
  /** Params of the job behind each input: a teacher's model, for example. */
  inputParams: ByArity<unknown>;
  /** The newest checkpoint of any attempt at this job. */
  resume: { hash: string; step: number } | null;
  /** Cursor of the job's newest metric chunk; 0 before the first. */
  cursor: number;
  leaseSeconds: number;
}

export async function claimAttempt(
  graph: Graph,
  message: { jobId: string; attempt: number },
  workerId: string,
  leaseSeconds: number,
): Promise<Claim | null> {
  const { tx } = graph;
  const { jobId, attempt } = message;
  const { rows } = await tx.query<{
    kind: JobKind;
    params: unknown;
    wanted: boolean;
    active: boolean;
    experiments: string[];
  }>(
    `SELECT j.kind, j.params, ARRAY(
         SELECT d.experiment_id FROM demand d JOIN experiment e ON e.id = d.experiment_id
         WHERE d.job_id = j.id AND d.state = 'wanted' ORDER BY e.created_at LIMIT 5) AS experiments, EXISTS (SELECT FROM worker WHERE id = $3 AND state = 'active') AS active,
       ${isWanted('j')} AS wanted
     FROM job j WHERE j.id = $1 AND j.state = 'ready' AND j.attempt = $2 AND j.queued_at IS NOT NULL`,
    [jobId, attempt, workerId],
  );
  const job = rows[0];
  if (!job) return null;
  if (!job.wanted || !job.active) {
    // The message is spent: the dispatcher offers the job again, under the next number.
    await tx.query('UPDATE job SET queued_at = NULL WHERE id = $1', [jobId]);
    return null;
  }
  await graph.move([jobId], ['ready'], 'running', { reason: null, failureClass: null });
  const resume = await newestCheckpoint(tx, jobId);
  const inserted = await tx.query<{ cursor: number }>(
    `INSERT INTO attempt (job_id, number, worker_id, lease_until, resumed_from_step, metric_cursor)
     VALUES ($1, $2, $3, clock_timestamp() + $4::float8 * interval '1 second', $5,
       greatest((SELECT max(cursor) FROM metric_chunk WHERE job_id = $1),
         (SELECT cursor FROM metric_curve WHERE job_id = $1), 0))
     RETURNING metric_cursor AS cursor`,
    [jobId, attempt, workerId, leaseSeconds, resume?.step ?? null],
  );
  graph.tell(
    { type: 'attempt.changed', state: 'running', attempt, failureClass: null, reason: null },
    { jobId },
  );
  return {
    jobId,
    attempt,
    kind: job.kind,
    experimentIds: job.experiments,
    params: job.params,
    ...(await inputsOf(tx, jobId, job.kind)),
    resume,
    cursor: inserted.rows[0]?.cursor ?? 0,
    leaseSeconds,
  };
}

async function newestCheckpoint(
  tx: Queryable,
  jobId: string,
): Promise<{ hash: string; step: number } | null> {
  const { rows } = await tx.query<{ hash: string; step: number }>(
    'SELECT hash, step FROM checkpoint WHERE job_id = $1 ORDER BY step DESC, attempt DESC LIMIT 1',
    [jobId],
  );
  return rows[0] ?? null;
}

async function inputsOf(
  tx: Queryable,
  jobId: string,
  kind: JobKind,
): Promise<{ inputs: ByArity<ArtifactReference>; inputParams: ByArity<unknown> }> {
  const { rows } = await tx.query<ArtifactReference & { role: string; params: unknown }>(
    `SELECT d.role, a.hash, a.bytes, f.params FROM job_dependency d JOIN job f ON f.id = d.from_job_id
       JOIN job_output o ON o.job_id = f.id AND o.role = d.output JOIN artifact a ON a.hash = o.hash
     WHERE d.job_id = $1 ORDER BY d.role, d.position`,
    [jobId],
  );
  const entry: JobEntry = jobCatalog[kind];
  const inputs: ByArity<ArtifactReference> = {};
  const inputParams: ByArity<unknown> = {};
  for (const [role, { arity }] of Object.entries(entry.inputs)) {
    const given = rows.filter((row) => row.role === role);
    const references = given.map(({ hash, bytes }) => ({ hash, bytes }));
    const first = references[0] ?? null;
    if (arity === 'one' && first === null) throw new Error(`job ${jobId} has no input "${role}"`);
    inputs[role] = arity === 'many' ? references : first;
    inputParams[role] = arity === 'many' ? given.map(({ params }) => params) : (given[0]?.params ?? null);
  }
  return { inputs, inputParams };
}
