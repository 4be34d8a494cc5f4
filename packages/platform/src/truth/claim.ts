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

/** That a worker wants to begin an offered attempt. */
export interface ClaimRequest {
  jobId: string;
  attempt: number;
  workerId: string;
}

interface OfferedJob {
  id: string;
  kind: JobKind;
  params: unknown;
  workerId: string;
  wanted: boolean;
  active: boolean;
  experiments: string[];
}

/** Begins the attempts that are still on offer; by job. Of two requests for one job the first counts. */
export async function claimAttempts(
  graph: Graph,
  requests: readonly ClaimRequest[],
  leaseSeconds: number,
): Promise<Map<ClaimRequest, Claim>> {
  const { tx } = graph;
  const first = new Map(requests.toReversed().map((request) => [request.jobId, request]));
  const asked = [...first.values()];
  const offered = await tx.query<OfferedJob>(
    `SELECT j.id, j.kind, j.params, q.worker AS "workerId", ${isWanted('j')} AS wanted, ARRAY(
         SELECT d.experiment_id FROM demand d JOIN experiment e ON e.id = d.experiment_id
         WHERE d.job_id = j.id AND d.state = 'wanted' ORDER BY e.created_at LIMIT 5) AS experiments,
       EXISTS (SELECT FROM worker w WHERE w.id = q.worker AND w.state = 'active') AS active
     FROM unnest($1::uuid[], $2::int[], $3::text[]) AS q(id, attempt, worker)
       JOIN job j ON j.id = q.id AND j.state = 'ready' AND j.attempt = q.attempt AND j.queued_at IS NOT NULL`,
    [
      asked.map(({ jobId }) => jobId),
      asked.map(({ attempt }) => attempt),
      asked.map(({ workerId }) => workerId),
    ],
  );
  const refused = offered.rows.filter(({ wanted, active }) => !wanted || !active).map(({ id }) => id);
  // Their messages are spent: the dispatcher offers the jobs again, under the next number.
  if (refused.length > 0) await tx.query('UPDATE job SET queued_at = NULL WHERE id = ANY($1)', [refused]);
  const jobs = offered.rows.filter(({ wanted, active }) => wanted && active);
  if (jobs.length === 0) return new Map();
  const ids = jobs.map(({ id }) => id);
  await graph.move(ids, ['ready'], 'running', { reason: null, failureClass: null });
  const begun = await beginAttempts(tx, jobs, leaseSeconds);
  const inputs = await inputsOf(tx, ids);
  const claims = new Map<ClaimRequest, Claim>();
  for (const job of jobs) {
    const request = first.get(job.id);
    const attempt = begun.get(job.id);
    if (!request || !attempt) continue;
    const about = { jobId: job.id };
    graph.tell(
      {
        ...{ type: 'attempt.changed', state: 'running', attempt: attempt.number },
        ...{ failureClass: null, reason: null },
      },
      about,
    );
    claims.set(request, {
      ...{ ...about, attempt: attempt.number, kind: job.kind, params: job.params },
      experimentIds: job.experiments,
      ...byArity(job, inputs.get(job.id) ?? []),
      resume: attempt.hash === null ? null : { hash: attempt.hash, step: attempt.step ?? 0 },
      cursor: attempt.cursor,
      leaseSeconds,
    });
  }
  return claims;
}

interface BegunAttempt {
  id: string;
  number: number;
  cursor: number;
  /** Of the newest checkpoint. */
  hash: string | null;
  step: number | null;
}

async function beginAttempts(
  tx: Queryable,
  jobs: readonly OfferedJob[],
  leaseSeconds: number,
): Promise<Map<string, BegunAttempt>> {
  const { rows } = await tx.query<BegunAttempt>(
    `WITH begun AS (
       SELECT j.id, j.attempt AS number, q.worker, c.hash, c.step, greatest(
           (SELECT max(m.cursor) FROM metric_chunk m WHERE m.job_id = j.id),
           (SELECT m.cursor FROM metric_curve m WHERE m.job_id = j.id), 0) AS cursor
       FROM unnest($1::uuid[], $2::text[]) AS q(id, worker) JOIN job j ON j.id = q.id
         LEFT JOIN LATERAL (SELECT hash, step FROM checkpoint WHERE job_id = j.id
           ORDER BY step DESC, attempt DESC LIMIT 1) c ON true
     ), made AS (
       INSERT INTO attempt (job_id, number, worker_id, lease_until, resumed_from_step, metric_cursor)
       SELECT id, number, worker, clock_timestamp() + $3::float8 * interval '1 second', step, cursor FROM begun
     )
     SELECT id, number, cursor, hash, step FROM begun`,
    [jobs.map(({ id }) => id), jobs.map(({ workerId }) => workerId), leaseSeconds],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

interface GivenInput extends ArtifactReference {
  jobId: string;
  role: string;
  params: unknown;
}

async function inputsOf(tx: Queryable, jobIds: readonly string[]): Promise<Map<string, GivenInput[]>> {
  const { rows } = await tx.query<GivenInput>(
    `SELECT d.job_id AS "jobId", d.role, a.hash, a.bytes, f.params FROM job_dependency d JOIN job f ON f.id = d.from_job_id
       JOIN job_output o ON o.job_id = f.id AND o.role = d.output JOIN artifact a ON a.hash = o.hash
     WHERE d.job_id = ANY($1) ORDER BY d.job_id, d.role, d.position`,
    [jobIds],
  );
  const byJob = new Map<string, GivenInput[]>();
  for (const row of rows) byJob.set(row.jobId, [...(byJob.get(row.jobId) ?? []), row]);
  return byJob;
}

function byArity(
  { id, kind }: OfferedJob,
  rows: readonly GivenInput[],
): { inputs: ByArity<ArtifactReference>; inputParams: ByArity<unknown> } {
  const entry: JobEntry = jobCatalog[kind];
  const inputs: ByArity<ArtifactReference> = {};
  const inputParams: ByArity<unknown> = {};
  for (const [role, { arity }] of Object.entries(entry.inputs)) {
    const given = rows.filter((row) => row.role === role);
    const references = given.map(({ hash, bytes }) => ({ hash, bytes }));
    const first = references[0] ?? null;
    if (arity === 'one' && first === null) throw new Error(`job ${id} has no input "${role}"`);
    inputs[role] = arity === 'many' ? references : first;
    inputParams[role] = arity === 'many' ? given.map(({ params }) => params) : (given[0]?.params ?? null);
  }
  return { inputs, inputParams };
}
