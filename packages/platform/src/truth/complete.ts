import {
  attemptTransitions,
  jobCatalog,
  type ArtifactReference,
  type AttemptState,
  type JobEntry,
  type JobKind,
} from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import { recordArtifacts } from './attempt-queries.js';
import { completionEffects } from './completion.js';
import type { Graph } from './graph.js';
import { storeSummaries } from './metric-summaries.js';
import type { SeriesSummary } from './metrics.js';
import { statesBefore } from './transitions.js';

/** That an attempt has made its job's outputs. */
export interface CompletionRequest {
  jobId: string;
  attempt: number;
  /** One for each output role of the job's kind. */
  outputs: Record<string, ArtifactReference>;
  result: unknown;
  /** Of its curve. */
  series: readonly SeriesSummary[];
}

/**
 * Ends attempts, and their jobs, with success.
 *
 * @returns the requests of attempts that are their job's successful ones, now or since an earlier time
 * @throws Error when an output of a job's kind is missing
 */
export async function completeAttempts(
  graph: Graph,
  requests: readonly CompletionRequest[],
): Promise<Set<CompletionRequest>> {
  const { tx } = graph;
  const kinds = await endWithSuccess(tx, requests);
  const ended = requests.flatMap((request) => {
    const kind = kinds.get(request.jobId);
    return kind?.attempt === request.attempt ? [{ ...request, request, kind: kind.kind }] : [];
  });
  const others = requests.filter((request) => !ended.some((end) => end.request === request));
  const kept = new Set([...ended.map(({ request }) => request), ...(await successes(tx, others))]);
  if (ended.length === 0) return kept;
  const files = ended.flatMap(({ jobId, kind, outputs }) => outputsOf(jobId, kind, outputs));
  await recordArtifacts(
    tx,
    files,
    files.map((file) => file.kind),
  );
  const ids = ended.map(({ jobId }) => jobId);
  await tx.query(
    `WITH told AS (
       UPDATE job j SET result = r.result FROM unnest($1::uuid[], $2::json[]) AS r(id, result) WHERE j.id = r.id
     ), resumable AS (DELETE FROM checkpoint WHERE job_id = ANY($1)
     ), published AS (DELETE FROM publication WHERE job_id = ANY($1))
     INSERT INTO job_output (job_id, role, hash) SELECT * FROM unnest($3::uuid[], $4::text[], $5::text[])
     ON CONFLICT (job_id, role) DO UPDATE SET hash = excluded.hash`,
    [
      ids,
      ended.map(({ result }) => JSON.stringify(result ?? null)),
      files.map(({ jobId }) => jobId),
      files.map(({ role }) => role),
      files.map(({ hash }) => hash),
    ],
  );
  await storeSummaries(tx, ended);
  for (const { jobId, attempt } of ended)
    graph.tell(
      { type: 'attempt.changed', state: 'succeeded', attempt, failureClass: null, reason: null },
      { jobId },
    );
  await graph.move(ids, ['running'], 'succeeded', { reason: null, failureClass: null });
  for (const { kind, jobId, result } of ended) await completionEffects(graph, kind, jobId, result);
  return kept;
}

/** By job: the kind, and the number of the attempt that was its running one and has succeeded now. */
async function endWithSuccess(
  tx: Queryable,
  requests: readonly CompletionRequest[],
): Promise<Map<string, { kind: JobKind; attempt: number }>> {
  const { rows } = await tx.query<{ id: string; kind: JobKind; attempt: number }>(
    `UPDATE attempt a SET state = 'succeeded', ended_at = now()
     FROM unnest($1::uuid[], $2::int[]) AS q(id, number) JOIN job j ON j.id = q.id
     WHERE a.job_id = q.id AND a.number = q.number AND a.state = ANY($3) AND j.state = 'running' AND j.attempt = a.number
     RETURNING j.id, j.kind, a.number AS attempt`,
    [
      requests.map(({ jobId }) => jobId),
      requests.map(({ attempt }) => attempt),
      statesBefore<AttemptState>(attemptTransitions, 'succeeded'),
    ],
  );
  return new Map(rows.map(({ id, ...job }) => [id, job]));
}

/** Those whose attempts had succeeded before. */
async function successes(
  tx: Queryable,
  requests: readonly CompletionRequest[],
): Promise<CompletionRequest[]> {
  if (requests.length === 0) return [];
  const { rows } = await tx.query<{ place: number }>(
    `SELECT q.place::int AS place FROM unnest($1::uuid[], $2::int[]) WITH ORDINALITY AS q(id, number, place)
       JOIN attempt a ON a.job_id = q.id AND a.number = q.number AND a.state = 'succeeded'`,
    [requests.map(({ jobId }) => jobId), requests.map(({ attempt }) => attempt)],
  );
  const places = new Set(rows.map(({ place }) => place - 1));
  return requests.filter((_, place) => places.has(place));
}

interface OutputFile extends ArtifactReference {
  jobId: string;
  role: string;
  kind: string;
}

function outputsOf(
  jobId: string,
  kind: JobKind,
  outputs: Readonly<Record<string, ArtifactReference>>,
): OutputFile[] {
  const entry: JobEntry = jobCatalog[kind];
  const missing = Object.keys(entry.outputs).filter((role) => outputs[role] === undefined);
  if (missing.length > 0) throw new Error(`${kind} job ${jobId} has no output ${missing.join(', ')}`);
  return Object.entries(outputs).map(([role, { hash, bytes }]) => ({
    ...{ jobId, role, hash, bytes },
    kind: entry.outputs[role] ?? role,
  }));
}
