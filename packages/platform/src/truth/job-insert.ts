import type { FailureClass, JobState, PlannedJob } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import { keepNamedFiles } from './references.js';

/** A job as it was found (or made) when the experiment asked for it. */
export interface KnownJob {
  id: string;
  state: JobState;
  failureClass: FailureClass | null;
}

/**
 * The jobs with these keys, made (pending) where there were none; by key. Needs the graph's lock. Inputs are outputs of
 * jobs of the list, or of jobs that are stored already.
 *
 * @param standalone wanted by the installation itself, without an experiment's demand
 */
export async function ensureJobs(
  tx: Queryable,
  jobs: readonly PlannedJob[],
  standalone = false,
): Promise<Map<string, KnownJob>> {
  const known = await findJobs(
    tx,
    jobs.map(({ key }) => key),
  );
  const missing = jobs.filter(({ key }) => !known.has(key));
  if (missing.length > 0) {
    await keepNamedFiles(tx, missing);
    await tx.query(
      `INSERT INTO job (key, kind, params, stage, resource, threads, cost_images, cost_macs, memory, standalone, created_at)
       SELECT key, kind, params, stage, resource, threads, images, macs, memory, $10, clock_timestamp() FROM unnest(
         $1::text[], $2::text[], $3::json[], $4::text[], $5::text[], $6::int[], $7::float8[], $8::float8[], $9::float8[]
       ) WITH ORDINALITY AS p(key, kind, params, stage, resource, threads, images, macs, memory, place) ORDER BY place`,
      [
        missing.map(({ key }) => key),
        missing.map(({ kind }) => kind),
        missing.map(({ params }) => JSON.stringify(params)),
        missing.map(({ stage }) => stage),
        missing.map(({ resource }) => resource),
        missing.map(({ threads }) => threads),
        missing.map(({ cost }) => cost?.images ?? null),
        missing.map(({ cost }) => cost?.macs ?? null),
        missing.map(({ cost }) => cost?.memory ?? null),
        standalone,
      ],
    );
    for (const [key, job] of await findJobs(
      tx,
      missing.map(({ key }) => key),
    ))
      known.set(key, job);
    await insertEdges(tx, missing, known);
  }
  return known;
}

/** A job, and those behind its inputs that have not succeeded: what it waits for. */
export async function unfinishedBehind(tx: Queryable, id: string): Promise<KnownJob[]> {
  const { rows } = await tx.query<KnownJob>(
    `WITH RECURSIVE behind AS (
       SELECT $1::uuid AS id
       UNION
       SELECT d.from_job_id FROM behind b JOIN job_dependency d ON d.job_id = b.id
         JOIN job f ON f.id = d.from_job_id AND f.state <> 'succeeded')
     SELECT j.id, j.state, j.failure_class AS "failureClass" FROM behind b JOIN job j ON j.id = b.id`,
    [id],
  );
  return rows;
}

async function findJobs(tx: Queryable, keys: readonly string[]): Promise<Map<string, KnownJob>> {
  const { rows } = await tx.query<KnownJob & { key: string }>(
    'SELECT key, id, state, failure_class AS "failureClass" FROM job WHERE key = ANY($1)',
    [keys],
  );
  return new Map(rows.map(({ key, ...job }) => [key, job]));
}

async function insertEdges(
  tx: Queryable,
  jobs: readonly PlannedJob[],
  known: Map<string, KnownJob>,
): Promise<void> {
  const others = jobs
    .flatMap(({ inputs }) => inputs.map(({ from }) => from))
    .filter((key) => !known.has(key));
  const stored = await findJobs(tx, others);
  const idOf = (key: string): string => {
    const id = (known.get(key) ?? stored.get(key))?.id;
    if (id === undefined) throw new Error(`an input names job ${key}, which is neither planned nor stored`);
    return id;
  };
  const edges = jobs.flatMap((job) =>
    job.inputs.map((input) => ({ ...input, job: idOf(job.key), from: idOf(input.from) })),
  );
  if (edges.length === 0) return;
  await tx.query(
    `INSERT INTO job_dependency (job_id, role, position, from_job_id, output)
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::uuid[], $5::text[])`,
    [
      edges.map(({ job }) => job),
      edges.map(({ role }) => role),
      edges.map(({ position }) => position),
      edges.map(({ from }) => from),
      edges.map(({ output }) => output),
    ],
  );
}
