import {
  objectives,
  searchMetric,
  earlyStopMetric,
  type ExperimentSpec,
  type Objective,
  type Plan,
  type PlannedTrial,
  type SearchValues,
  type TrialState,
  type TrialSummary,
  type ValidationHistory,
} from '@ferment/contracts';
import type { Database, Queryable } from '../postgres/database.js';
import { begin, insertDemands, insertTrials, jobOf, type NewestVersions } from './experiment-create.js';
import { changeGraph, type Graph } from './graph.js';
import { ensureJobs } from './job-insert.js';
import { pointRows, type StudyPointRow, type StudyReport } from './study-views.js';
import { countTrainings } from './trainings.js';

/** A study with all that was decided so far, each configuration in the order in which it was begun. */
export interface Study {
  spec: ExperimentSpec;
  freshSalt: string | undefined;
  /** Version of each data set, by name, that was the newest at its beginning; unknown of studies of before this was kept. */
  newest: NewestVersions | undefined;
  /** The experiment's limit of jobs at once. */
  parallel: number | undefined;
  points: StudyPointRow[];
}

export type StudyDecision =
  | { do: 'begin'; number: number; values: SearchValues }
  | { do: 'promote'; number: number }
  | { do: 'stop'; number: number; reason: string }
  | { do: 'end' };

/** What a configuration is made of, or why it cannot be run. */
export type PlannedPoint =
  | {
      variant: { name: string; factors: Record<string, string> };
      decisions: number[];
      trials: PlannedTrial[];
      jobs: Plan['jobs'];
      fixedStages: string[];
    }
  | { variant: { name: string; factors: Record<string, string> }; refused: string };

/** Says how a study goes on: pure functions of what is recorded. */
export interface StudyGuide {
  next(study: Study): StudyDecision | null;
  plan(study: Study, point: { number: number; values: SearchValues }, reached: number): PlannedPoint;
}

/**
 * Takes in what has ended of a study and does what follows from it, in one transaction under the graph's lock: whoever
 * does it, and however often, sees what was decided before and decides the rest. A paused study waits.
 */
export function advanceStudy(database: Database, id: string, guide: StudyGuide): Promise<void> {
  return changeGraph(database, async (graph) => {
    const { rows } = await graph.tx.query<StudyRow>(studySql, [id]);
    const [row] = rows;
    if (!row || row.paused || row.state === 'cancelled') return;
    const study: Study = {
      spec: row.spec,
      freshSalt: row.salt ?? undefined,
      newest: row.newest ?? undefined,
      parallel: row.parallel ?? undefined,
      points: await pointRows(graph.tx, id),
    };
    const progress = new StudyProgress(graph, id, study, guide, row.endedPoints);
    await progress.takeIn();
    const ended = await progress.goOn();
    await graph.tx.query(
      'UPDATE study SET asked = $2, state = $3, ended_points = $4 WHERE experiment_id = $1',
      [id, row.wanted, ended ? 'ended' : 'open', progress.ended],
    );
    if (ended !== (row.state === 'ended')) {
      // The table is complete with the study's end.
      await graph.tx.query('UPDATE experiment SET table_wanted = table_wanted + 1 WHERE id = $1', [id]);
      graph.countAnew(id);
    }
  });
}

interface StudyRow {
  spec: ExperimentSpec;
  salt: string | null;
  newest: NewestVersions | null;
  parallel: number | null;
  paused: boolean;
  state: 'open' | 'ended' | 'cancelled';
  wanted: number;
  endedPoints: number;
}

const studySql = `
  SELECT e.spec, e.fresh_salt AS salt, e.parallel, e.paused_at IS NOT NULL AS paused, s.state, s.wanted, s.newest,
    s.ended_points AS "endedPoints"
  FROM study s JOIN experiment e ON e.id = s.experiment_id WHERE s.experiment_id = $1`;

/** Far more than the configurations that become free at once: a guide that never comes to rest is a fault. */
const mostDecisions = 100_000;

class StudyProgress {
  constructor(
    private readonly graph: Graph,
    private readonly id: string,
    private readonly study: Study,
    private readonly guide: StudyGuide,
    /** Configurations that have ended: the next one's place in their order. */
    public ended: number,
  ) {}

  private get tx(): Queryable {
    return this.graph.tx;
  }

  /** Records the results of configurations whose jobs have all ended, in the order in which they were begun. */
  async takeIn(): Promise<void> {
    const pending = this.study.points.filter(({ state }) => state === 'running' || state === 'failed');
    const draws = await drawsOf(
      this.tx,
      this.id,
      pending.map(({ variant }) => variant),
    );
    for (const point of pending) {
      const own = draws.get(point.variant) ?? [];
      if (own.length > 0 && own.every(({ done, failed }) => done || failed))
        await this.takeInPoint(point, own);
    }
  }

  private async takeInPoint(point: StudyPointRow, draws: readonly Draw[]): Promise<void> {
    const failed = draws.find((draw) => draw.failed);
    if (failed) {
      if (point.state === 'failed') return;
      await this.write(point, { state: 'failed', reason: failed.reason, order: this.nextOrder(point) });
      return;
    }
    const epoch = point.decisions[point.reached];
    if (epoch === undefined) {
      const value = finishedValue(draws, this.study.spec);
      await this.write(point, { state: 'succeeded', value, reason: null, order: this.nextOrder(point) });
    } else {
      const report = reportOf(draws, epoch, earlyStopMetric(this.study.spec));
      const reports = [...point.reports.slice(0, point.reached), report];
      await this.write(point, { state: 'waiting', reports, reason: null });
    }
  }

  private nextOrder(point: StudyPointRow): number {
    return point.order ?? (this.ended += 1);
  }

  private async write(point: StudyPointRow, change: Partial<StudyPointRow>): Promise<void> {
    Object.assign(point, change);
    const { number, state, reached, reports, value, order, reason } = point;
    await this.tx.query(
      `UPDATE study_point SET state = $3, reached = $4, reports = $5, value = $6, end_order = $7, reason = $8
       WHERE experiment_id = $1 AND number = $2`,
      [this.id, number, state, reached, JSON.stringify(reports), value, order, reason],
    );
  }

  /** Does one step after the other, until it has to wait or the study has ended; whether it has. */
  async goOn(): Promise<boolean> {
    let changed = false;
    for (let count = 0; count < mostDecisions; count += 1) {
      const decision = this.guide.next(this.study);
      if (decision === null || decision.do === 'end') {
        if (changed) await countTrainings(this.tx, this.id);
        return decision !== null;
      }
      changed = true;
      if (decision.do === 'begin') await this.begin(decision);
      else if (decision.do === 'promote') await this.promote(this.point(decision.number));
      else await this.stop(this.point(decision.number), decision.reason);
    }
    throw new Error(`the study ${this.id} does not come to rest`);
  }

  private point(number: number): StudyPointRow {
    const point = this.study.points.find((each) => each.number === number);
    if (!point) throw new Error(`the study has no configuration ${number}`);
    return point;
  }

  private async begin({ number, values }: { number: number; values: SearchValues }): Promise<void> {
    const planned = this.guide.plan(this.study, { number, values }, 0);
    const { name, factors } = planned.variant;
    const point: StudyPointRow = {
      ...{ number, variant: name, values, reports: [], value: null, reached: 0 },
      ...{ state: 'running', reason: null, order: null },
      decisions: 'refused' in planned ? [] : planned.decisions,
    };
    this.study.points.push(point);
    await this.tx.query(
      'INSERT INTO study_point (experiment_id, number, variant, search_values, decisions) VALUES ($1, $2, $3, $4, $5)',
      [this.id, number, name, JSON.stringify(values), point.decisions],
    );
    if ('refused' in planned) return this.refuse(point, planned.refused);
    if (this.study.spec.search) {
      await this.tx.query(
        `UPDATE experiment SET variants = (variants::jsonb || $2::jsonb)::json WHERE id = $1`,
        [this.id, JSON.stringify([{ name, factors }])],
      );
      const trials = planned.trials.map((trial) => ({ ...trial, jobs: {} }));
      await insertTrials(this.tx, this.id, trials, new Map());
    }
    await this.give(planned, planned.decisions.length > 0);
  }

  private async promote(point: StudyPointRow): Promise<void> {
    const reached = point.reached + 1;
    const planned = this.guide.plan(this.study, point, reached);
    if ('refused' in planned) return this.refuse(point, planned.refused);
    const changed = await this.changedRole(planned);
    if (changed !== null) {
      const why = `${changed} would be other work now (a newer version computes it otherwise): submit the spec as a new experiment`;
      return this.refuse(point, why);
    }
    await this.write(point, { state: 'running', reached, reason: null });
    await this.tx.query('UPDATE trial SET stopped = NULL WHERE experiment_id = $1 AND variant = $2', [
      this.id,
      point.variant,
    ]);
    await this.give(planned, reached < point.decisions.length);
  }

  /** A configuration cannot be begun or go on: it has failed, and with it the trials that it has. */
  private async refuse(point: StudyPointRow, reason: string): Promise<void> {
    await this.write(point, { state: 'failed', reason, order: this.nextOrder(point) });
    const { rows } = await this.tx.query<{ id: string }>(
      `UPDATE trial SET open = false, refused = $3, state = 'failed', reason = $3
       WHERE experiment_id = $1 AND variant = $2 RETURNING id`,
      [this.id, point.variant, reason],
    );
    for (const { id } of rows) {
      this.graph.tell(
        { type: 'trial.changed', state: 'failed', reason },
        { experimentId: this.id, trialId: id },
      );
    }
    if (rows.length > 0) {
      await this.tx.query('UPDATE experiment SET table_wanted = table_wanted + 1 WHERE id = $1', [this.id]);
      this.graph.countAnew(this.id);
    }
  }

  /** A role in which a trial has another job than is planned for it now: its parts would not be of one training. */
  private async changedRole({
    variant,
    trials,
  }: Exclude<PlannedPoint, { refused: string }>): Promise<string | null> {
    const { rows } = await this.tx.query<{ seed: number; fold: number | null; role: string; key: string }>(
      `SELECT t.seed, t.fold, r.role, j.key FROM trial t JOIN trial_job r ON r.trial_id = t.id JOIN job j ON j.id = r.job_id
       WHERE t.experiment_id = $1 AND t.variant = $2 ORDER BY t.position, r.role`,
      [this.id, variant.name],
    );
    const differs = rows.find(({ seed, fold, role, key }) =>
      trials.some((trial) => trial.seed === seed && trial.fold === fold && trial.jobs[role] !== key),
    );
    return differs?.role ?? null;
  }

  /** Gives a configuration's trials the jobs that they do not have yet, and demands them. */
  private async give(planned: Exclude<PlannedPoint, { refused: string }>, open: boolean): Promise<void> {
    const { variant, trials, jobs, fixedStages } = planned;
    const known = await ensureJobs(this.tx, jobs);
    await insertDemands(this.tx, this.id, jobs, known);
    await this.tx.query('UPDATE trial SET open = $3 WHERE experiment_id = $1 AND variant = $2', [
      this.id,
      variant.name,
      open,
    ]);
    const links = trials.flatMap(({ seed, fold, jobs: roles }) =>
      Object.entries(roles).map(([role, key]) => ({ seed, fold, role, job: jobOf(known, key).id })),
    );
    await this.tx.query(
      `INSERT INTO trial_job (trial_id, role, job_id)
       SELECT t.id, l.role, l.job FROM unnest($3::int[], $4::int[], $5::text[], $6::uuid[]) AS l(seed, fold, role, job)
         JOIN trial t ON t.experiment_id = $1 AND t.variant = $2 AND t.seed = l.seed AND t.fold IS NOT DISTINCT FROM l.fold
       ON CONFLICT (trial_id, role) DO NOTHING`,
      [
        this.id,
        variant.name,
        links.map(({ seed }) => seed),
        links.map(({ fold }) => fold),
        links.map(({ role }) => role),
        links.map(({ job }) => job),
      ],
    );
    await this.tx.query(
      `UPDATE experiment SET fixed_stages = ARRAY(SELECT DISTINCT unnest(fixed_stages || $2::text[])) WHERE id = $1`,
      [this.id, fixedStages],
    );
    await begin(this.graph, this.id, known);
  }

  private async stop(point: StudyPointRow, reason: string): Promise<void> {
    const last = point.reports.at(-1);
    if (!last) throw new Error(`configuration ${point.number} was not looked at before it is stopped`);
    const { epoch, step } = last;
    const why = `stopped early at epoch ${epoch}, step ${step}: ${reason}`;
    await this.write(point, { state: 'stopped', reason: why, order: this.nextOrder(point) });
    const { rows } = await this.tx.query<{ job: string }>(
      `WITH stopped AS (
         UPDATE trial SET open = false, stopped = $3 WHERE experiment_id = $1 AND variant = $2 RETURNING id)
       SELECT r.job_id AS job FROM stopped s JOIN trial_job r ON r.trial_id = s.id`,
      [this.id, point.variant, JSON.stringify({ epoch, step, reason: why })],
    );
    this.graph.touch(rows.map(({ job }) => job));
  }
}

/** One seed (and fold) of a configuration. */
interface Draw {
  variant: string;
  state: TrialState;
  reason: string | null;
  summary: TrialSummary;
  done: boolean;
  failed: boolean;
  /** What the parts of its training reported, by the role's end: `epoch-3`. */
  parts: Record<string, { history: ValidationHistory }>;
}

async function drawsOf(tx: Queryable, id: string, variants: readonly string[]): Promise<Map<string, Draw[]>> {
  const { rows } = await tx.query<Draw>(
    `SELECT t.variant, t.state, t.summary, bool_and(j.state = 'succeeded') AS done,
       t.refused IS NOT NULL OR bool_or(j.state IN ('failed', 'blocked', 'cancelled'))
         AND bool_and(j.state IN ('succeeded', 'failed', 'blocked', 'cancelled')) AS failed,
       coalesce(t.refused, min(j.reason) FILTER (WHERE j.state = 'failed'), min(j.reason) FILTER (WHERE j.state = 'blocked')) AS reason,
       coalesce(json_object_agg(split_part(r.role, ':', 2), j.result)
         FILTER (WHERE r.role LIKE '%:epoch-%' AND j.state = 'succeeded'), '{}') AS parts
     FROM trial t JOIN trial_job r ON r.trial_id = t.id JOIN job j ON j.id = r.job_id
     WHERE t.experiment_id = $1 AND t.variant = ANY($2) GROUP BY t.id ORDER BY t.position`,
    [id, variants],
  );
  const byVariant = new Map<string, Draw[]>();
  for (const row of rows) byVariant.set(row.variant, [...(byVariant.get(row.variant) ?? []), row]);
  return byVariant;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The mean over seeds and folds of a finished configuration's figure. */
function finishedValue(draws: readonly Draw[], spec: ExperimentSpec): number | null {
  const { figure } = objectives[searchMetric(spec)];
  const values = draws.flatMap(({ summary }) => {
    const validation =
      summary[spec.data.dataset]?.validation ??
      Object.values(summary).find((each) => each.validation)?.validation;
    return validation ? [validation[figure]] : [];
  });
  return values.length === draws.length ? mean(values) : null;
}

/** What is known of a configuration after so many epochs: means over its seeds and folds. */
function reportOf(draws: readonly Draw[], epoch: number, metric: Objective): StudyReport {
  const { figure, higherIsBetter } = objectives[metric];
  const each = draws.map(({ parts }) => {
    const history = parts[`epoch-${epoch}`]?.history ?? [];
    const values = history.map((row) => row[figure]);
    if (values.length === 0) throw new Error(`a training until epoch ${epoch} reported no validation`);
    return {
      best: higherIsBetter ? Math.max(...values) : Math.min(...values),
      average: mean(values),
      step: history.at(-1)?.step ?? 0,
    };
  });
  return {
    epoch,
    step: Math.max(...each.map(({ step }) => step)),
    best: mean(each.map(({ best }) => best)),
    average: mean(each.map(({ average }) => average)),
  };
}
