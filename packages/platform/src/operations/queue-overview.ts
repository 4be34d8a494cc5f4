import {
  resourceClasses,
  type ExperimentState,
  type QueueOverview,
  type ResourceClass,
  type WaitReason,
} from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import type { QueueSettings } from '../queue/settings.js';
import { neededMemory } from '../truth/dispatcher.js';

/** The queue's side of an overview: what each resource's queue holds, null where it does not answer in time. */
export interface QueueDepths {
  backend: QueueSettings['backend'];
  depth(resource: ResourceClass): Promise<{ waiting: number; active: number; delayed: number } | null>;
}

interface WaitingRow {
  id: string;
  resource: ResourceClass;
  reason: WaitReason;
  jobs: number;
  until: Date | null;
}

/** What waits, for which resource and in which experiment, and why. */
export async function queueOverview(database: Database, queue: QueueDepths): Promise<QueueOverview> {
  const [byResource, waiting, shared, experiments, depths] = await Promise.all([
    database.pool.query<{
      resource: ResourceClass;
      slots: number;
      running: number;
      ready: number;
      pending: number;
    }>(resourcesSql, [[...resourceClasses]]),
    database.pool.query<WaitingRow>(waitingSql('experiment, ')),
    database.pool.query<WaitingRow>(waitingSql('')),
    database.pool.query<{
      id: string;
      name: string;
      state: ExperimentState;
      priority: number;
      running: number;
    }>(experimentsSql),
    Promise.all(resourceClasses.map((resource) => queue.depth(resource))),
  ]);
  const told = (rows: readonly WaitingRow[]) => {
    const byReason = new Map<WaitReason, { jobs: number; until: Date | null }>();
    for (const { reason, jobs, until } of rows) {
      const sum = byReason.get(reason) ?? { jobs: 0, until: null };
      const first = sum.until === null || (until !== null && until < sum.until) ? until : sum.until;
      byReason.set(reason, { jobs: sum.jobs + jobs, until: first });
    }
    return [...byReason].map(([reason, { jobs, until }]) => ({
      reason,
      jobs,
      until: reason === 'back-off' ? (until?.toISOString() ?? null) : null,
    }));
  };
  return {
    backend: queue.backend,
    resources: byResource.rows.map((row) => ({
      ...row,
      queue: depths[resourceClasses.indexOf(row.resource)] ?? null,
      waiting: told(shared.rows.filter(({ resource }) => resource === row.resource)),
    })),
    experiments: experiments.rows.map((row) => ({
      ...row,
      waiting: told(waiting.rows.filter(({ id }) => id === row.id)),
    })),
  };
}

const resourcesSql = `
  SELECT r.resource,
    (SELECT coalesce(sum((w.slots->>r.resource)::int), 0)::int FROM worker w WHERE w.state = 'active') AS slots,
    count(j.id) FILTER (WHERE j.state = 'running')::int AS running,
    count(j.id) FILTER (WHERE j.state = 'ready')::int AS ready,
    count(j.id) FILTER (WHERE j.state = 'pending')::int AS pending
  FROM unnest($1::text[]) WITH ORDINALITY AS r(resource, place)
    LEFT JOIN job j ON j.resource = r.resource AND j.state IN ('running', 'ready', 'pending')
  GROUP BY r.resource, r.place ORDER BY r.place`;

const experimentsSql = `
  SELECT e.id, e.name, e.state, e.priority, (
    SELECT count(*)::int FROM demand d JOIN job j ON j.id = d.job_id
    WHERE d.experiment_id = e.id AND d.state <> 'withdrawn' AND j.state = 'running') AS running
  FROM experiment e WHERE e.ended_at IS NULL ORDER BY e.created_at`;

/**
 * One row a reason. Per experiment a job counts for each that wants it; over all of them once, by the reason of the
 * one that is nearest to running it.
 */
const waitingSql = (per: '' | 'experiment, '): string => `
  WITH capacity AS (
    SELECT s.key AS resource, sum(s.value::int) AS slots, max(coalesce(w.job_memory, 'Infinity')) AS largest FROM worker w, json_each_text(w.slots) s
    WHERE w.state = 'active' GROUP BY 1
  ), out AS (
    SELECT w.experiment_id AS experiment, count(*) AS n FROM demand w JOIN job j ON j.id = w.job_id
    WHERE j.resource <> 'light' AND w.state = 'wanted'
      AND (j.state = 'running' OR (j.state = 'ready' AND j.queued_at IS NOT NULL)) GROUP BY 1
  ), reasons AS (
    SELECT e.id AS experiment, j.id AS job, j.resource, j.not_before, CASE
      WHEN d.state = 'paused' THEN 'paused'
      WHEN j.state = 'pending' THEN 'inputs'
      WHEN j.state = 'blocked' THEN 'failed input'
      WHEN j.queued_at IS NOT NULL THEN 'offered'
      WHEN j.not_before > clock_timestamp() THEN 'back-off'
      WHEN coalesce(c.slots, 0) = 0 THEN 'no worker'
      WHEN ${neededMemory} > c.largest THEN 'memory'
      WHEN j.resource <> 'light' AND e.parallel <= coalesce(o.n, 0) THEN 'limit'
      ELSE 'no slot' END AS reason
    FROM job j LEFT JOIN demand d ON d.job_id = j.id AND d.state <> 'withdrawn'
      LEFT JOIN experiment e ON e.id = d.experiment_id
      LEFT JOIN out o ON o.experiment = e.id LEFT JOIN capacity c ON c.resource = j.resource
    WHERE j.state IN ('pending', 'ready', 'blocked') AND (e.id IS NOT NULL OR j.standalone)
  ), counted AS (
    SELECT DISTINCT ON (${per}job) experiment, job, resource, not_before, reason FROM reasons
    ORDER BY ${per}job, array_position(
      ARRAY['offered', 'no slot', 'limit', 'memory', 'no worker', 'back-off', 'inputs', 'failed input', 'paused'], reason)
  )
  SELECT ${per && 'experiment AS id,'} resource, reason, count(*)::int AS jobs, min(not_before) AS until
  FROM counted ${per && 'WHERE experiment IS NOT NULL'}
  GROUP BY ${per}resource, reason ORDER BY jobs DESC, reason`;
