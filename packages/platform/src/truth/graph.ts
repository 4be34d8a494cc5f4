import {
  endedJobStates,
  endedTrialStates,
  jobTransitions,
  trialState,
  type EventPayload,
  type JobState,
} from '@ferment/contracts';
import type { Database, Queryable } from '../postgres/database.js';
import { recount, storeCounts, type Counts } from './counters.js';
import { countDurations } from './durations.js';
import { writeEvents, type NewEvent } from './events.js';
import {
  moveSql,
  trialsSql,
  waitingSql,
  type MovedJob,
  type TrialRow,
  type WaitingJob,
} from './graph-queries.js';

/** One writer of the job graph at a time: what a transition sees of its neighbours is what will be true. */
const graphLock = 0x0fe7_0001;

/** What a move may set beside the state. A key left out is left alone. */
export interface JobFields {
  reason?: string | null;
  failureClass?: string | null;
  notBefore?: number | null;
}

/**
 * Runs one change of the job graph: in one transaction the moves that `work` makes, what follows from them (dependants
 * released, blocked or put back, trial and experiment states, counters) and the event rows that tell of it.
 *
 * @param options.often see {@link Database.transaction}: for small changes of always the same kind
 */
export function changeGraph<T>(
  database: Database,
  work: (graph: Graph) => Promise<T>,
  { often = false }: { often?: boolean } = {},
): Promise<T> {
  const changed = async (tx: Queryable): Promise<T> => {
    const graph = new Graph(tx);
    const result = await work(graph);
    await graph.settle();
    return result;
  };
  return database.transaction(changed, { begin: `SELECT pg_advisory_xact_lock(${graphLock})`, often });
}

export class Graph {
  /** State before this transaction and now, of every job that moved. */
  private readonly moved = new Map<string, { before: JobState; now: JobState }>();
  private readonly events: NewEvent[] = [];
  private readonly recounted = new Set<string>();
  private readonly touched = new Set<string>();
  /** Experiments whose table is to be made anew, their trials having ended. */
  private readonly tablesDue = new Set<string>();

  constructor(readonly tx: Queryable) {}

  /** Records an event that is written with the transaction. */
  tell(payload: EventPayload, about: Omit<NewEvent, 'payload'> = {}): void {
    this.events.push({ ...about, payload });
  }

  /**
   * The demand for these jobs changed: when this change settles, the trials that they belong to are looked at, whether
   * or not the jobs moved, and so are paused experiments, which have stopped when none of them runs for them alone.
   */
  touch(jobIds: readonly string[]): void {
    for (const id of jobIds) this.touched.add(id);
  }

  /** The experiment's counters are computed anew when this change settles, rather than moved along. */
  countAnew(experimentId: string): void {
    this.recounted.add(experimentId);
  }

  /**
   * Moves those of the jobs that are in one of the states `from`, and only those; returns them.
   *
   * @throws Error when the table of transitions has no such move
   */
  async move(
    ids: readonly string[],
    from: readonly JobState[],
    to: JobState,
    fields: JobFields = {},
  ): Promise<MovedJob[]> {
    for (const state of from) {
      const permitted: readonly JobState[] = jobTransitions[state];
      if (!permitted.includes(to)) throw new Error(`no transition of a job from ${state} to ${to}`);
    }
    if (ids.length === 0) return [];
    const { rows } = await this.tx.query<MovedJob>(moveSql, [
      ids,
      from,
      to,
      'reason' in fields,
      fields.reason ?? null,
      'failureClass' in fields,
      fields.failureClass ?? null,
      fields.notBefore ?? null,
    ]);
    for (const job of rows) {
      this.moved.set(job.id, { before: this.moved.get(job.id)?.before ?? job.before, now: to });
      this.tell(
        { type: 'job.changed', state: to, kind: job.kind, attempt: job.attempt || null, reason: job.reason },
        { jobId: job.id },
      );
    }
    return rows;
  }

  /**
   * Brings jobs that wait in line with their inputs, and then what depends on them: all inputs there means ready, a
   * failed one means blocked, anything else means pending.
   */
  async refresh(ids: readonly string[]): Promise<void> {
    let layer = [...new Set(ids)];
    while (layer.length > 0) {
      const { rows } = await this.tx.query<WaitingJob>(waitingSql, [layer]);
      if (rows.length === 0) return;
      const next = new Set<string>();
      const apply = async (
        jobs: WaitingJob[],
        from: JobState,
        to: JobState,
        reason: string | null,
      ): Promise<void> => {
        for (const job of await this.move(
          jobs.map(({ id }) => id),
          [from],
          to,
          { reason },
        ))
          next.add(job.id);
      };
      const toBlock = rows.filter((job) => job.state === 'pending' && job.failedInput !== null);
      for (const reason of new Set(toBlock.map((job) => job.failedInput))) {
        await apply(
          toBlock.filter((job) => job.failedInput === reason),
          'pending',
          'blocked',
          reason,
        );
      }
      await apply(
        rows.filter((job) => job.state === 'blocked' && job.failedInput === null),
        'blocked',
        'pending',
        null,
      );
      await apply(
        rows.filter((job) => job.state === 'ready' && !job.complete),
        'ready',
        'pending',
        null,
      );
      await apply(
        rows.filter((job) => job.state === 'pending' && job.failedInput === null && job.complete),
        'pending',
        'ready',
        null,
      );
      // To what depends on it a job that waits and one that is ready are the same.
      for (const id of next) if (this.moved.get(id)?.now === 'ready') next.delete(id);
      // A job that came back to pending may go on at once; what depends on one that moved is looked at in turn.
      const again = [...next].filter((id) => this.moved.get(id)?.now === 'pending');
      layer = [...new Set([...again, ...(await this.dependants([...next]))])];
    }
  }

  /** Everything that follows from the moves made; called once, last. */
  async settle(): Promise<void> {
    await this.refresh(await this.dependants([...this.moved.keys()]));
    const moved = [...this.moved].filter(([, { before, now }]) => before !== now);
    const affected = await this.affectedExperiments(moved);
    const trials = await this.settleTrials([...this.touched, ...moved.map(([id]) => id)]);
    for (const id of trials.keys()) if (!affected.has(id)) affected.set(id, {});
    for (const id of await this.pausedFor([...this.touched])) this.recounted.add(id);
    for (const id of this.recounted) affected.delete(id);
    await this.settleExperiments(affected, trials);
    for (const id of this.recounted)
      this.events.push(await recount(this.tx, id, { table: this.tablesDue.has(id) }));
    await countDurations(this.tx, this.events);
    await writeEvents(this.tx, this.events);
  }

  private async dependants(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const { rows } = await this.tx.query<{ id: string }>(
      'SELECT DISTINCT job_id AS id FROM job_dependency WHERE from_job_id = ANY($1)',
      [ids],
    );
    return rows.map(({ id }) => id);
  }

  /** Paused experiments that have a demand for one of these jobs which runs. */
  private async pausedFor(ids: readonly string[]): Promise<string[]> {
    if (ids.length === 0) return [];
    const { rows } = await this.tx.query<{ id: string }>(
      `SELECT DISTINCT d.experiment_id AS id FROM demand d JOIN job j ON j.id = d.job_id
       WHERE d.job_id = ANY($1) AND d.state = 'paused' AND j.state = 'running'`,
      [ids],
    );
    return rows.map(({ id }) => id);
  }

  /** How the counters of each experiment that wants a moved job change. */
  private async affectedExperiments(
    moved: [string, { before: JobState; now: JobState }][],
  ): Promise<Map<string, Counts>> {
    if (moved.length === 0) return new Map();
    const { rows } = await this.tx.query<{ experiment: string; job: string }>(
      `SELECT experiment_id AS experiment, job_id AS job FROM demand WHERE job_id = ANY($1) AND state <> 'withdrawn'`,
      [moved.map(([id]) => id)],
    );
    const byId = new Map(moved);
    const deltas = new Map<string, Counts>();
    for (const { experiment, job } of rows) {
      const change = byId.get(job);
      if (!change) continue;
      const counts = deltas.get(experiment) ?? {};
      counts[change.before] = (counts[change.before] ?? 0) - 1;
      counts[change.now] = (counts[change.now] ?? 0) + 1;
      deltas.set(experiment, counts);
    }
    return deltas;
  }

  /** Trial states that changed with these jobs, as changes of their experiments' counters. */
  private async settleTrials(jobs: readonly string[]): Promise<Map<string, Counts>> {
    const deltas = new Map<string, Counts>();
    if (jobs.length === 0) return deltas;
    const { rows } = await this.tx.query<TrialRow>(trialsSql, [jobs]);
    await this.studiesDue(rows);
    const changed = rows
      .map((row) => ({ ...row, next: trialState(row.jobs, row) }))
      .filter((row) => row.next !== row.state || row.reason !== row.was_reason);
    if (changed.length === 0) return deltas;
    await this.tx.query(
      `UPDATE trial t SET state = c.state, reason = c.reason
       FROM unnest($1::uuid[], $2::text[], $3::text[]) AS c(id, state, reason) WHERE t.id = c.id`,
      [changed.map(({ id }) => id), changed.map(({ next }) => next), changed.map(({ reason }) => reason)],
    );
    for (const row of changed) {
      this.tell(
        { type: 'trial.changed', state: row.next, reason: row.reason },
        { experimentId: row.experiment, trialId: row.id },
      );
      const counts = deltas.get(row.experiment) ?? {};
      counts[row.state] = (counts[row.state] ?? 0) - 1;
      counts[row.next] = (counts[row.next] ?? 0) + 1;
      deltas.set(row.experiment, counts);
    }
    for (const { next, state, experiment } of changed)
      if (endedTrialStates.includes(next) || endedTrialStates.includes(state)) this.tablesDue.add(experiment);
    return deltas;
  }

  /** Studies whose trials have done what they were given, well or not, are to be looked at. */
  private async studiesDue(trials: readonly TrialRow[]): Promise<void> {
    const due = trials.filter(
      ({ study, jobs }) => study && jobs.every((state) => endedJobStates.includes(state)),
    );
    if (due.length === 0) return;
    await this.tx.query('UPDATE study SET wanted = wanted + 1 WHERE experiment_id = ANY($1)', [
      due.map(({ experiment }) => experiment),
    ]);
  }

  private async settleExperiments(jobs: Map<string, Counts>, trials: Map<string, Counts>): Promise<void> {
    if (jobs.size === 0) return;
    const { rows } = await this.tx.query<{ id: string; jobs: Counts; trials: Counts; study: boolean }>(
      `SELECT id, job_counts AS jobs, trial_counts AS trials,
         EXISTS (SELECT FROM study s WHERE s.experiment_id = e.id) AS study
       FROM experiment e WHERE id = ANY($1) ORDER BY id FOR UPDATE`,
      [[...jobs.keys()]],
    );
    for (const row of rows) {
      const jobCounts = added(row.jobs, jobs.get(row.id) ?? {});
      const trialCounts = added(row.trials, trials.get(row.id) ?? {});
      const { study } = row;
      const options = { study, table: this.tablesDue.has(row.id) };
      this.events.push(await storeCounts(this.tx, row.id, jobCounts, trialCounts, options));
    }
  }
}

function added(counts: Counts, delta: Counts): Counts {
  const sum: Counts = { ...counts };
  for (const [state, change] of Object.entries(delta)) sum[state] = (sum[state] ?? 0) + change;
  return sum;
}
