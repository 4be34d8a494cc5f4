import {
  trainingKinds,
  type BestTrials,
  type BestTrialsQuery,
  type ChangeExperiment,
  type ExperimentDetail,
  type ExperimentGraph,
  type ExperimentListItem,
  type JobItem,
  type JobParams,
  type Plan,
  type SelectMetric,
  type StudyHistory,
  type ExperimentSpec,
  type ExperimentState,
  type TrialItem,
  type TrialState,
} from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import {
  cancelExperiment,
  changeSettings,
  deleteExperiment,
  pauseExperiment,
  resumeExperiment,
  retryTrial,
} from './experiment-control.js';
import { createExperiment, findRepeated, type Idempotency, type NewExperiment } from './experiment-create.js';
import { extendExperiment, extendStudy } from './experiment-extend.js';
import { detailOf, experimentColumns, listItemOf, type ExperimentRow } from './experiment-views.js';
import { changeGraph } from './graph.js';
import { experimentGraph } from './job-graph.js';
import { jobItems } from './job-views.js';
import { linkTable } from './tables.js';
import { advanceStudy, type StudyGuide } from './studies.js';
import { studyHistory } from './study-views.js';
import { bestTrialsOn } from './best-trials.js';
import { trialItems } from './trial-views.js';

export interface PageQuery {
  /** Where the previous page ended, as it said. */
  cursor?: string | undefined;
  limit?: number;
  /** Part of a name or tag. */
  search?: string | undefined;
  tag?: string | undefined;
  state?: ExperimentState | undefined;
  /** Name of a project. */
  project?: string | undefined;
  /** Archived ones as well (default false). */
  archived?: boolean;
}

/** Experiments: submitted, listed, described, controlled. */
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
  async list({ cursor, limit = 50, search, tag, state, project, archived = false }: PageQuery = {}): Promise<{
    items: ExperimentListItem[];
    next: string | null;
  }> {
    const after = cursor === undefined ? null : decodeCursor(cursor);
    const { rows } = await this.database.pool.query<ExperimentRow>(
      `SELECT ${experimentColumns} FROM experiment e JOIN project p ON p.id = e.project_id
       WHERE ($1::timestamptz IS NULL OR (e.created_at, e.id) < ($1, $2::uuid))
         AND ($3::text IS NULL OR e.name ILIKE $3 OR EXISTS (SELECT FROM unnest(e.tags) tag WHERE tag ILIKE $3))
         AND ($5::text IS NULL OR p.name = $5) AND ($6 OR e.archived_at IS NULL)
         AND ($7::text IS NULL OR $7 = ANY(e.tags)) AND ($8::text IS NULL OR e.state = $8)
       ORDER BY e.created_at DESC, e.id DESC LIMIT $4`,
      [
        after?.time ?? null,
        after?.id ?? null,
        search === undefined ? null : `%${likeLiteral(search)}%`,
        limit + 1,
        project ?? null,
        archived,
        tag ?? null,
        state ?? null,
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

  /**
   * The text that it was submitted as; null where there is none that still says what its spec is: it came as JSON, or was
   * extended since.
   */
  async textOf(id: string): Promise<string | null> {
    const { rows } = await this.database.pool.query<{ text: string | null }>(
      'SELECT spec_text AS text FROM experiment WHERE id = $1',
      [id],
    );
    return rows[0]?.text ?? null;
  }

  async exists(id: string): Promise<boolean> {
    return (await this.database.prisma.experiment.count({ where: { id } })) > 0;
  }

  /** In the plan's order. */
  trials(id: string): Promise<TrialItem[]> {
    return trialItems(this.database, 't.experiment_id = $1', [id]);
  }

  async trial(id: string): Promise<TrialItem | null> {
    const [item] = await trialItems(this.database, 't.id = $1', [id]);
    return item ?? null;
  }

  /** See {@link bestTrialsOn}. */
  best(query: BestTrialsQuery): Promise<BestTrials> {
    return bestTrialsOn(this.database, query);
  }

  /** In the plan's order; every job stands behind its inputs. */
  jobs(id: string): Promise<JobItem[]> {
    return jobItems(this.database, { experiment: id });
  }

  /** See {@link experimentGraph}. */
  graph(id: string): Promise<ExperimentGraph> {
    return experimentGraph(this.database, id);
  }

  /** Which of these keys belong to jobs that succeeded: what a preview calls cached. */
  async finishedKeys(keys: readonly string[]): Promise<Set<string>> {
    const { rows } = await this.database.pool.query<{ key: string }>(
      `SELECT key FROM job WHERE key = ANY($1) AND state = 'succeeded'`,
      [keys],
    );
    return new Set(rows.map(({ key }) => key));
  }

  /** What an experiment's keys were salted with; undefined where they were not. */
  async freshSalt(id: string): Promise<string | undefined> {
    const { rows } = await this.database.pool.query<{ salt: string | null }>(
      'SELECT fresh_salt AS salt FROM experiment WHERE id = $1',
      [id],
    );
    return rows[0]?.salt ?? undefined;
  }

  /** See {@link cancelExperiment}. */
  cancel(id: string): Promise<boolean> {
    return cancelExperiment(this.database, id);
  }

  /** See {@link pauseExperiment}. */
  pause(id: string): Promise<boolean> {
    return pauseExperiment(this.database, id);
  }

  /** See {@link resumeExperiment}. */
  resume(id: string): Promise<boolean> {
    return resumeExperiment(this.database, id);
  }

  /** See {@link changeSettings}. */
  change(id: string, change: ChangeExperiment): Promise<boolean> {
    return changeSettings(this.database, id, change);
  }

  /** See {@link extendExperiment}. */
  extend(id: string, spec: ExperimentSpec, plan: Plan): Promise<void> {
    return extendExperiment(this.database, id, spec, plan);
  }

  /** See {@link extendStudy}. */
  extendStudy(
    id: string,
    spec: ExperimentSpec,
    plan: Pick<Plan, 'specHash' | 'warnings'>,
    from: string,
  ): Promise<void> {
    return extendStudy(this.database, id, spec, plan, from);
  }

  /** See {@link advanceStudy}. */
  advanceStudy(id: string, guide: StudyGuide): Promise<void> {
    return advanceStudy(this.database, id, guide);
  }

  /** See {@link studyHistory}. */
  study(id: string): Promise<StudyHistory | null> {
    return studyHistory(this.database, id);
  }

  /** See {@link deleteExperiment}. */
  delete(id: string): Promise<boolean> {
    return deleteExperiment(this.database, id);
  }

  /** See {@link retryTrial}. */
  retryTrial(id: string): Promise<boolean> {
    return retryTrial(this.database, id);
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
      stopped: boolean;
      reason: string | null;
      metrics: Record<string, string>;
      trainedOn: string | null;
      aligned: string[];
    }>(
      `SELECT t.variant, t.factors, t.seed, t.fold, t.state, t.stopped IS NOT NULL AS stopped, t.reason, coalesce((
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
      trials: trials.rows.map(({ state, stopped, ...trial }) => ({
        ...trial,
        state:
          state === 'waiting' || state === 'running' || state === 'paused'
            ? 'unfinished'
            : state === 'succeeded' && stopped
              ? 'stopped'
              : state,
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
