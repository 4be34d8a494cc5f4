import {
  attemptTransitions,
  demandTransitions,
  trainingKinds,
  type AttemptState,
  type DemandState,
  type ExperimentDetail,
  type ExperimentListItem,
  type JobItem,
  type JobParams,
  type SelectMetric,
  type ExperimentSpec,
  type TrialItem,
  type TrialState,
} from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import { createExperiment, findRepeated, type Idempotency, type NewExperiment } from './experiment-create.js';
import { detailOf, experimentColumns, listItemOf, type ExperimentRow } from './experiment-views.js';
import { changeGraph } from './graph.js';
import { jobItems } from './job-views.js';
import { linkTable } from './tables.js';
import { statesBefore } from './transitions.js';
import { trialItems } from './trial-views.js';

export interface PageQuery {
  /** Where the previous page ended, as it said. */
  cursor?: string | undefined;
  limit?: number;
  /** Part of a name or tag. */
  search?: string | undefined;
  /** Name of a project. */
  project?: string | undefined;
}

/** Experiments: submitted, listed, described, cancelled. */
export class Experiments {
  constructor(private readonly database: Database) {}

  /** See {@link createExperiment}. */
  create(input: NewExperiment): Promise<{ id: string; created: boolean }> {
    return createExperiment(this.database, input);
  }

  /** The experiment a repeated request made before; null when its key is new. Throws Conflict as `create` does. */
  repeated(idempotency: Idempotency): Promise<string | null> {
    return findRepeated(this.database.pool, idempotency);
  }

  /** Newest first. `next` is the cursor of the following page, null on the last. */
  async list({ cursor, limit = 50, search, project }: PageQuery = {}): Promise<{
    items: ExperimentListItem[];
    next: string | null;
  }> {
    const after = cursor === undefined ? null : decodeCursor(cursor);
    const { rows } = await this.database.pool.query<ExperimentRow>(
      `SELECT ${experimentColumns} FROM experiment e JOIN project p ON p.id = e.project_id
       WHERE ($1::timestamptz IS NULL OR (e.created_at, e.id) < ($1, $2::uuid))
         AND ($3::text IS NULL OR e.name ILIKE $3 OR EXISTS (SELECT FROM unnest(e.tags) tag WHERE tag ILIKE $3))
         AND ($5::text IS NULL OR p.name = $5)
       ORDER BY e.created_at DESC, e.id DESC LIMIT $4`,
      [
        after?.time ?? null,
        after?.id ?? null,
        search === undefined ? null : `%${likeLiteral(search)}%`,
        limit + 1,
        project ?? null,
      ],
    );
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    const next = rows.length > limit && last ? encodeCursor(last.createdAt, last.id) : null;
    return { items: items.map(listItemOf), next };
  }

  /** Null when there is none of this id; so with the other questions by id. */
  async describe(id: string): Promise<ExperimentDetail | null> {
    const { rows } = await this.database.pool.query<ExperimentRow>(
      `SELECT ${experimentColumns} FROM experiment e JOIN project p ON p.id = e.project_id WHERE e.id = $1`,
      [id],
    );
    return rows[0] ? detailOf(rows[0]) : null;
  }

  /** In the plan's order. */
  trials(id: string): Promise<TrialItem[]> {
    return trialItems(this.database, 't.experiment_id = $1', [id]);
  }

  async trial(id: string): Promise<TrialItem | null> {
    const [item] = await trialItems(this.database, 't.id = $1', [id]);
    return item ?? null;
  }

  /** In the plan's order; every job stands behind its inputs. */
  jobs(id: string): Promise<JobItem[]> {
    return jobItems(this.database, { experiment: id });
  }

  /** Which of these keys belong to jobs that succeeded: what a preview calls cached. */
  async finishedKeys(keys: readonly string[]): Promise<Set<string>> {
    const { rows } = await this.database.pool.query<{ key: string }>(
      `SELECT key FROM job WHERE key = ANY($1) AND state = 'succeeded'`,
      [keys],
    );
    return new Set(rows.map(({ key }) => key));
  }

  /**
   * Withdraws the experiment's demands. Its trials that have not ended are cancelled for good; jobs that nothing else
   * wants are cancelled at once, running attempts with them (their worker hears it with its next heartbeat).
   *
   * An experiment that has ended stays as it is.
   *
   * @returns false when there is none of this id
   */
  async cancel(id: string): Promise<boolean> {
    return changeGraph(this.database, async (graph) => {
      const { tx } = graph;
      const found = await tx.query<{ ended: boolean }>(
        'SELECT ended_at IS NOT NULL AS ended FROM experiment WHERE id = $1',
        [id],
      );
      if (!found.rows[0]) return false;
      if (found.rows[0].ended) return true;
      const trials = await tx.query<{ id: string }>(
        `UPDATE trial SET state = 'cancelled', reason = 'the experiment was cancelled'
         WHERE experiment_id = $1 AND state IN ('waiting', 'running') RETURNING id`,
        [id],
      );
      for (const trial of trials.rows) {
        graph.tell(
          { type: 'trial.changed', state: 'cancelled', reason: 'the experiment was cancelled' },
          { experimentId: id, trialId: trial.id },
        );
      }
      await tx.query(`UPDATE demand SET state = 'withdrawn' WHERE experiment_id = $1 AND state = ANY($2)`, [
        id,
        statesBefore<DemandState>(demandTransitions, 'withdrawn'),
      ]);
      const unwanted = await tx.query<{ id: string }>(
        `SELECT j.id FROM demand d JOIN job j ON j.id = d.job_id
         WHERE d.experiment_id = $1 AND j.state IN ('pending', 'ready', 'running', 'blocked') AND NOT j.standalone
           AND NOT EXISTS (SELECT FROM demand o WHERE o.job_id = j.id AND o.state <> 'withdrawn')`,
        [id],
      );
      const ids = unwanted.rows.map((row) => row.id);
      const stopped = await tx.query<{ jobId: string; number: number }>(
        `UPDATE attempt SET state = 'cancelled', ended_at = now(), reason = 'no experiment wants the job any more'
         WHERE job_id = ANY($1) AND state = ANY($2) RETURNING job_id AS "jobId", number`,
        [ids, statesBefore<AttemptState>(attemptTransitions, 'cancelled')],
      );
      for (const { jobId, number } of stopped.rows) {
        graph.tell(
          { type: 'attempt.changed', state: 'cancelled', attempt: number, failureClass: null, reason: null },
          { jobId },
        );
      }
      await graph.move(ids, ['pending', 'ready', 'running', 'blocked'], 'cancelled', { reason: 'cancelled' });
      await tx.query(
        'UPDATE experiment SET cancelled_at = now(), table_wanted = table_wanted + 1 WHERE id = $1',
        [id],
      );
      graph.countAnew(id);
      return true;
    });
  }

  /**
   * The experiment's table as it stands: the params of the `ablation` job that computes it. `experiment` is its name,
   * so that equal experiments share a table.
   */
  async tableInputs(id: string): Promise<JobParams<'ablation'> | null> {
    const { rows } = await this.database.pool.query<{
      name: string;
      specHash: string;
      spec: ExperimentSpec;
      baseline: string;
      fixedStages: string[];
    }>(
      `SELECT name, spec_hash AS "specHash", spec, baseline, fixed_stages AS "fixedStages" FROM experiment WHERE id = $1`,
      [id],
    );
    const found = rows[0];
    if (!found) return null;
    const trials = await this.database.pool.query<{
      variant: string;
      factors: Record<string, string>;
      seed: number;
      fold: number | null;
      state: TrialState;
      reason: string | null;
      metrics: Record<string, string>;
      trainedOn: string | null;
      aligned: string[];
    }>(
      `SELECT t.variant, t.factors, t.seed, t.fold, t.state, t.reason, coalesce((
         SELECT json_object_agg(split_part(r.role, ':', 2), o.hash ORDER BY r.role)
         FROM trial_job r JOIN job j ON j.id = r.job_id AND j.state = 'succeeded'
           JOIN job_output o ON o.job_id = r.job_id AND o.role = 'metrics'
         WHERE r.trial_id = t.id AND r.role LIKE 'evaluate:%' AND r.role NOT LIKE 'evaluate:%:%'), '{}') AS metrics, (
         SELECT j.params->'data'->>'dataset' FROM trial_job r JOIN job j ON j.id = r.job_id
         WHERE r.trial_id = t.id AND j.kind = ANY($2) ORDER BY r.role LIMIT 1) AS "trainedOn", ARRAY(
         SELECT split_part(r.role, ':', 2) FROM trial_job r
           JOIN job_dependency d ON d.job_id = r.job_id AND d.role = 'data' JOIN job j ON j.id = d.from_job_id
         WHERE r.trial_id = t.id AND r.role LIKE 'evaluate:%' AND r.role NOT LIKE 'evaluate:%:%' AND EXISTS (
           SELECT 1 FROM json_array_elements(j.params->'steps') step WHERE step->'align'->>'apply' = 'all')
         ORDER BY 1) AS aligned
       FROM trial t WHERE t.experiment_id = $1 ORDER BY t.position`,
      [id, [...trainingKinds]],
    );
    const selectMetric: SelectMetric = found.spec.select.metric;
    return {
      experiment: found.name,
      specHash: found.specHash,
      design: found.spec.ablation?.design ?? 'none',
      baseline: found.baseline,
      seeds: found.spec.seeds,
      fixedStages: found.fixedStages,
      selectMetric,
      trials: trials.rows.map(({ state, ...trial }) => ({
        ...trial,
        state: state === 'waiting' || state === 'running' ? 'unfinished' : state,
      })),
    };
  }

  /** Says which `ablation` job computes the experiment's table; the table is set when that job has succeeded. */
  setTable(experimentId: string, jobId: string): Promise<void> {
    return changeGraph(this.database, (graph) => linkTable(graph, experimentId, jobId));
  }
}

function likeLiteral(text: string): string {
  return text.replace(/[\\%_]/g, (character) => `\\${character}`);
}

function encodeCursor(time: Date, id: string): string {
  return Buffer.from(`${time.toISOString()} ${id}`).toString('base64url');
}

function decodeCursor(cursor: string): { time: string; id: string } | null {
  const [time, id] = Buffer.from(cursor, 'base64url').toString().split(' ');
  const valid = time !== undefined && !Number.isNaN(Date.parse(time)) && /^[0-9a-f-]{36}$/.test(id ?? '');
  return valid && id !== undefined ? { time, id } : null;
}
