import type { ExperimentGraph, GraphNode, JobState } from '@ferment/contracts';
import type { Database } from '../postgres/database.js';

interface NodeRow {
  role: string;
  kind: string;
  state: JobState;
  jobs: number;
  uses: number;
  cached: number;
  elsewhere: number;
}

interface EdgeRow {
  fromRole: string;
  fromKind: string;
  toRole: string;
  toKind: string;
  inputs: number;
}

/** A role without which fold or part of it (see roleWithoutPart). */
const plainRole = (role: string): string => `regexp_replace(${role}, ':(fold|held-out|epoch)-[0-9]+$', '')`;

/** Each job once for each role that it plays, with how many trials it plays it in. */
const used = `used AS MATERIALIZED (
    SELECT ${plainRole('r.role')} AS role, r.job_id, j.kind, count(DISTINCT t.id)::int AS uses
    FROM trial t JOIN trial_job r ON r.trial_id = t.id JOIN job j ON j.id = r.job_id
    WHERE t.experiment_id = $1 GROUP BY 1, 2, 3)`;

const nodesSql = `WITH ${used}
  SELECT u.role, u.kind, CASE WHEN d.state = 'withdrawn' AND j.state NOT IN ('succeeded', 'failed') THEN 'cancelled'
      ELSE j.state END AS state,
    count(*)::int AS jobs, sum(u.uses)::int AS uses, (count(*) FILTER (WHERE d.cached))::int AS cached,
    (count(*) FILTER (WHERE EXISTS (
      SELECT FROM demand o WHERE o.job_id = u.job_id AND o.experiment_id <> $1)))::int AS elsewhere,
    min(d.position) AS first
  FROM used u JOIN job j ON j.id = u.job_id JOIN demand d ON d.job_id = u.job_id AND d.experiment_id = $1
  GROUP BY 1, 2, 3 ORDER BY first, role, kind, state`;

// Within a trial: one job may be the teacher of some trials and the student of others.
const edgesSql = `
  SELECT ${plainRole('f.role')} AS "fromRole", i.kind AS "fromKind", ${plainRole('u.role')} AS "toRole",
    j.kind AS "toKind", count(DISTINCT (d.job_id, d.role, d.position))::int AS inputs
  FROM trial t JOIN trial_job u ON u.trial_id = t.id JOIN job j ON j.id = u.job_id
    JOIN job_dependency d ON d.job_id = u.job_id
    JOIN trial_job f ON f.trial_id = t.id AND f.job_id = d.from_job_id JOIN job i ON i.id = f.job_id
  WHERE t.experiment_id = $1 GROUP BY 1, 2, 3, 4
  HAVING (${plainRole('f.role')}, i.kind) <> (${plainRole('u.role')}, j.kind) ORDER BY 1, 2, 3, 4`;

const idOf = (kind: string, role: string): string => `${kind} ${role}`;

/** The experiment's jobs by role and kind, in the plan's order, and what reads what. */
export async function experimentGraph(database: Database, experimentId: string): Promise<ExperimentGraph> {
  const [{ rows }, edges] = await Promise.all([
    database.pool.query<NodeRow>(nodesSql, [experimentId]),
    database.pool.query<EdgeRow>(edgesSql, [experimentId]),
  ]);
  const nodes = new Map<string, GraphNode>();
  for (const { role, kind, state, jobs, uses, cached, elsewhere } of rows) {
    const id = idOf(kind, role);
    const before = nodes.get(id) ?? { id, role, kind, jobs: 0, uses: 0, states: {}, cached: 0, elsewhere: 0 };
    nodes.set(id, {
      ...before,
      jobs: before.jobs + jobs,
      uses: before.uses + uses,
      states: { ...before.states, [state]: jobs },
      cached: before.cached + cached,
      elsewhere: before.elsewhere + elsewhere,
    });
  }
  return {
    nodes: [...nodes.values()],
    edges: edges.rows.map(({ fromRole, fromKind, toRole, toKind, inputs }) => ({
      from: idOf(fromKind, fromRole),
      to: idOf(toKind, toRole),
      inputs,
    })),
  };
}
