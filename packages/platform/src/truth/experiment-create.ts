import {
  isStudy,
  isTrainingKind,
  type EvaluationResult,
  type ExperimentSpec,
  type Plan,
  type PlannedJob,
  type PlannedTrial,
} from '@ferment/contracts';
import { gibibyte } from '../memory.js';
import type { Database, Queryable } from '../postgres/database.js';
import { Conflict, NotFound } from './errors.js';
import { changeGraph, type Graph } from './graph.js';
import { ensureJobs, type KnownJob } from './job-insert.js';
import { writeTrialSummaries } from './summaries.js';

/** What makes a repeated request give the first one's experiment. */
export interface Idempotency {
  /** Chosen by the caller, unique in the installation. */
  readonly key: string;
  /** Hash of all that was asked for, as it was asked: what data sets it meant may have changed since. */
  readonly requestHash: string;
}

/** Versions of data sets, by name. */
export type NewestVersions = Readonly<Record<string, string>>;

export interface NewExperiment {
  /** Name of the project; `default` is made on first use. */
  project: string;
  spec: ExperimentSpec;
  /** The text that the spec was read from, where it was one. */
  text?: string;
  plan: Plan;
  /** What its keys were salted with, to compute everything anew. */
  freshSalt?: string;
  /** Of a study: version of each data set, by name, that is the newest now. */
  newest?: NewestVersions;
  /** The same key again, with the same request, answers with the experiment made first. */
  idempotency?: Idempotency;
}

/**
 * Writes experiment, trials, jobs, edges and demands in one transaction. A job whose key exists is shared: finished
 * ones are reused, failures of class `user` and `diverged` inherited, others tried again.
 *
 * @throws NotFound for an unknown project; Conflict for an idempotency key that came with another request before
 */
export async function createExperiment(
  database: Database,
  input: NewExperiment,
): Promise<{ id: string; created: boolean }> {
  const made = await changeGraph(database, async (graph) => {
    const { tx } = graph;
    const { plan } = input;
    const earlier = input.idempotency ? await findRepeated(tx, input.idempotency) : null;
    if (earlier !== null) return { id: earlier, created: false };
    const projectId = await projectIdOf(tx, input.project);
    const known = await ensureJobs(tx, plan.jobs);
    const id = await insertExperiment(tx, projectId, input, plan, known);
    graph.tell({ type: 'experiment.created', name: input.spec.name }, { experimentId: id });
    await insertDemands(tx, id, plan.jobs, known);
    await insertTrials(tx, id, plan.trials, known);
    if (isStudy(input.spec)) {
      const newest = JSON.stringify(input.newest ?? null);
      await tx.query('INSERT INTO study (experiment_id, newest) VALUES ($1, $2)', [id, newest]);
    }
    await begin(graph, id, known);
    return { id, created: true };
  });
  if (made.created && input.plan.jobs.length >= largePlan) await refreshStatistics(database);
  return made;
}

/** So many new rows that what the database knows of its tables no longer holds. */
const largePlan = 500;

/** Right after a large grid came in, before autovacuum gets to it, queries would be planned for small tables. */
async function refreshStatistics(database: Database): Promise<void> {
  await database.pool.query('ANALYZE job, job_dependency, demand, trial, trial_job');
}

/**
 * The experiment that this request made before; null when its key is new.
 *
 * @throws Conflict when the key came with another request
 */
export async function findRepeated(
  database: Queryable,
  { key, requestHash }: Idempotency,
): Promise<string | null> {
  const { rows } = await database.query<{ id: string; same: boolean }>(
    // Experiments from before requests were hashed have none to compare with.
    `SELECT id, coalesce(request_hash = $2, true) AS same FROM experiment WHERE idempotency_key = $1`,
    [key, requestHash],
  );
  const [found] = rows;
  if (found && !found.same) {
    throw new Conflict('This Idempotency-Key was used with another request; send a new key.');
  }
  return found?.id ?? null;
}

async function projectIdOf(tx: Queryable, name: string): Promise<string> {
  if (name === 'default')
    await tx.query(`INSERT INTO project (name) VALUES ('default') ON CONFLICT DO NOTHING`);
  const { rows } = await tx.query<{ id: string }>('SELECT id FROM project WHERE name = $1', [name]);
  const id = rows[0]?.id;
  if (id === undefined) throw new NotFound(`no project "${name}": create it first, or leave the project out`);
  return id;
}

/** The trainings of a plan, and how many there were if every trial had its own. */
export function trainingsOf(plan: Plan): { trainings: PlannedJob[]; withoutSharing: number } {
  const trainings = plan.jobs.filter(({ kind }) => isTrainingKind(kind));
  const keys = new Set(trainings.map(({ key }) => key));
  const roles = plan.trials.flatMap((trial) => Object.values(trial.jobs));
  return { trainings, withoutSharing: roles.filter((key) => keys.has(key)).length };
}

/** The variants as they are listed. */
export function variantsOf({ variants }: Plan): string {
  return JSON.stringify(variants.map(({ name, factors }) => ({ name, factors })));
}

async function insertExperiment(
  tx: Queryable,
  projectId: string,
  { spec, text, idempotency, freshSalt }: NewExperiment,
  plan: Plan,
  known: Map<string, KnownJob>,
): Promise<string> {
  const { trainings, withoutSharing } = trainingsOf(plan);
  const cached = trainings.filter(({ key }) => known.get(key)?.state === 'succeeded').length;
  const { rows } = await tx.query<{ id: string }>(
    `INSERT INTO experiment (project_id, name, description, tags, spec, spec_hash, variants, baseline, fixed_stages,
       warnings, datasets, trainings_without_sharing, trainings_planned, trainings_cached, idempotency_key,
       request_hash, priority, parallel, timeout_minutes, memory, fresh_salt, spec_text, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21,
       $22, clock_timestamp()) RETURNING id`,
    [
      projectId,
      spec.name,
      spec.description,
      spec.tags,
      JSON.stringify(spec),
      plan.specHash,
      variantsOf(plan),
      plan.baseline,
      plan.fixedStages,
      plan.warnings,
      JSON.stringify(datasetsOf(spec)),
      withoutSharing,
      trainings.length,
      cached,
      idempotency?.key ?? null,
      idempotency?.requestHash ?? null,
      spec.run.priority,
      spec.run.parallel ?? null,
      spec.run.timeout ?? null,
      spec.run.memory === undefined ? null : spec.run.memory * gibibyte,
      freshSalt ?? null,
      text ?? null,
    ],
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('the experiment was not stored');
  return id;
}

function datasetsOf(spec: ExperimentSpec): { name: string; version: string }[] {
  const used = [spec.data, ...spec.evaluate.on].map(
    ({ dataset, version }) => [dataset, version ?? ''] as const,
  );
  return [...new Map(used)].map(([name, version]) => ({ name, version }));
}

/** Jobs that the experiment has a demand for already keep it. New ones stand behind them, paused like the experiment. */
export async function insertDemands(
  tx: Queryable,
  experimentId: string,
  jobs: readonly PlannedJob[],
  known: Map<string, KnownJob>,
): Promise<void> {
  const rows = jobs.map(({ key }) => jobOf(known, key));
  await tx.query(
    `INSERT INTO demand (experiment_id, job_id, cached, state, position)
     SELECT $1, d.id, cached, CASE WHEN e.paused_at IS NULL THEN 'wanted' ELSE 'paused' END,
       position + (SELECT coalesce(max(position), -1) FROM demand WHERE experiment_id = $1)
     FROM unnest($2::uuid[], $3::bool[]) WITH ORDINALITY AS d(id, cached, position), experiment e WHERE e.id = $1
     ON CONFLICT (experiment_id, job_id) DO NOTHING`,
    [experimentId, rows.map(({ id }) => id), rows.map(({ state }) => state === 'succeeded')],
  );
}

/** Trials behind those that the experiment has. */
export async function insertTrials(
  tx: Queryable,
  experimentId: string,
  trials: readonly PlannedTrial[],
  known: Map<string, KnownJob>,
): Promise<void> {
  const present = await tx.query<{ count: number }>(
    'SELECT coalesce(max(position) + 1, 0) AS count FROM trial WHERE experiment_id = $1',
    [experimentId],
  );
  const first = present.rows[0]?.count ?? 0;
  const { rows } = await tx.query<{ id: string; position: number }>(
    `INSERT INTO trial (experiment_id, position, variant, factors, seed, fold)
     SELECT $1, $6 + position - 1, variant, factors, seed, fold
     FROM unnest($2::text[], $3::json[], $4::int[], $5::int[])
       WITH ORDINALITY AS t(variant, factors, seed, fold, position)
     RETURNING id, position`,
    [
      experimentId,
      trials.map(({ variant }) => variant),
      trials.map(({ factors }) => JSON.stringify(factors)),
      trials.map(({ seed }) => seed),
      trials.map(({ fold }) => fold),
      first,
    ],
  );
  const links = rows.flatMap(({ id, position }) =>
    Object.entries(trials[position - first]?.jobs ?? {}).map(([role, key]) => ({
      id,
      role,
      job: jobOf(known, key).id,
    })),
  );
  await tx.query(
    'INSERT INTO trial_job (trial_id, role, job_id) SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[])',
    [links.map(({ id }) => id), links.map(({ role }) => role), links.map(({ job }) => job)],
  );
}

export function jobOf(known: Map<string, KnownJob>, key: string): KnownJob {
  const job = known.get(key);
  if (!job) throw new Error(`the plan names job ${key} and does not describe it`);
  return job;
}

/** What follows from new demands: jobs that had ended without success are tried again, the states follow. */
export async function begin(graph: Graph, id: string, known: ReadonlyMap<string, KnownJob>): Promise<void> {
  await revive(graph, [...known.values()]);
  const ids = [...known.values()].map((job) => job.id);
  await graph.refresh(ids);
  await summarise(graph.tx, id, ids);
  graph.touch(ids);
  graph.countAnew(id);
}

/** What a new demand does to jobs that had ended without success. */
export async function revive(graph: Graph, jobs: readonly KnownJob[]): Promise<void> {
  const cancelled = jobs.filter(({ state }) => state === 'cancelled').map(({ id }) => id);
  const retried = jobs
    .filter(
      ({ state, failureClass }) =>
        state === 'failed' && failureClass !== 'user' && failureClass !== 'diverged',
    )
    .map(({ id }) => id);
  await startAnew(graph, cancelled, 'cancelled');
  await startAnew(graph, retried, 'failed');
}

/** Jobs that ended without success are worked on again, with a whole budget of attempts; to be refreshed by the caller. */
export async function startAnew(
  graph: Graph,
  ids: readonly string[],
  from: 'cancelled' | 'failed',
): Promise<void> {
  if (ids.length === 0) return;
  await graph.tx.query(
    'UPDATE job SET transient_failures = 0, resource_failures = 0, lost_attempts = 0 WHERE id = ANY($1)',
    [ids],
  );
  if (from === 'cancelled') await graph.move(ids, ['cancelled'], 'pending', { reason: null });
  else await graph.move(ids, ['failed'], 'ready', { reason: null, failureClass: null });
}

/** Figures of evaluations that were finished before this experiment asked for them. */
async function summarise(tx: Queryable, experimentId: string, jobs: readonly string[]): Promise<void> {
  const { rows } = await tx.query<{ id: string; result: EvaluationResult }>(
    `SELECT j.id, j.result FROM demand d JOIN job j ON j.id = d.job_id
     WHERE d.experiment_id = $1 AND d.job_id = ANY($2) AND j.kind = 'evaluate' AND j.state = 'succeeded'`,
    [experimentId, jobs],
  );
  for (const { id, result } of rows) await writeTrialSummaries(tx, id, result);
}
