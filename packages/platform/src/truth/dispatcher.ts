import { resourceClasses, type ResourceClass } from '@ferment/contracts';
import type { Logger } from '../log.js';
import { prepared, type Database, type Queryable } from '../postgres/database.js';
import type { Delivery } from '../queue/delivery.js';
import type { QueueMessage } from './attempts.js';
import { Leader } from './leader.js';

export interface DispatcherOptions {
  delivery: Delivery;
  /** Called when trials ended, until it resolves: ask for the experiment's table. One call at a time. */
  onTrialEnded?: (experimentId: string) => Promise<void>;
  /** Called when results may let a search go on, until it resolves. One call at a time, and by one process. */
  onStudyDue?: (experimentId: string) => Promise<void>;
  log?: Pick<Logger, 'info' | 'warn'>;
  /** Longest time between two looks (default 1 s); changes in the database are noticed at once. */
  pollMilliseconds?: number;
}

/** An experiment's tables follow each other no closer than this, in milliseconds, and than so many times what asking took. */
const tablePause = 500;
const tableShare = 20;

export const dispatcherLock = 0x0fe7_0002;

/**
 * Hands ready jobs to the queue, never more than the workers' slots and memory and as much again in reserve, and none
 * that needs more memory than any worker has. Which ones is decided here, by start-time fair queuing (Goyal, Vin and Cheng, 1996): an experiment's next job starts, in virtual
 * time, where its last one ended, or now if it had none waiting; it lasts 1 / priority; the earliest start goes first.
 * So a job that becomes ready while its experiment has nothing else waiting is next but for ties, and then between two
 * jobs of an experiment of priority p at most floor(q / p) + 1 go to each one of priority q, however large they are.
 * An experiment that limits how many of its jobs run at once (`run.parallel`) has no more than that out.
 */
export class Dispatcher {
  private readonly leader: Leader;
  private readonly tablesLater = new Map<string, { until: number; failed: boolean }>();
  private readonly studiesLater = new Map<string, number>();

  constructor(
    private readonly database: Database,
    private readonly options: DispatcherOptions,
  ) {
    this.leader = new Leader({
      url: database.url,
      lock: dispatcherLock,
      pollMilliseconds: options.pollMilliseconds ?? 1000,
      log: options.log,
      name: 'dispatcher',
      tick: () => this.tick(),
    });
  }

  start(): void {
    this.leader.start();
  }

  stop(): Promise<void> {
    return this.leader.stop();
  }

  /** Looks now. */
  kick(): void {
    this.leader.kick();
  }

  private async tick(): Promise<void> {
    const { rows } = await prepared(this.database.pool).query<Due>(dueSql, [resourceClasses]);
    const due = rows[0] ?? { studies: null, resources: null, tables: null };
    // What a study begins and a table asks for comes with an event of its own: the next look sees it.
    await this.advanceStudies(due.studies ?? []);
    for (const resource of due.resources ?? []) {
      const offers = await this.database.transaction((tx) => offer(tx, resource), unhurried);
      if (offers.length > 0) await this.hand(resource, offers);
    }
    await this.askForTables(due.tables ?? []);
  }

  private async hand(resource: ResourceClass, messages: readonly QueueMessage[]): Promise<void> {
    try {
      await this.options.delivery.enqueue(resource, messages);
    } catch (error) {
      this.options.log?.warn(
        { error: String(error), jobs: messages.map(({ jobId }) => jobId) },
        'the queue did not take jobs; they stay ready',
      );
      for (const message of messages) await withdrawOffer(this.database, message);
    }
  }

  private async advanceStudies(studies: readonly string[]): Promise<void> {
    const advance = this.options.onStudyDue;
    if (!advance) return;
    for (const id of studies) {
      if ((this.studiesLater.get(id) ?? 0) > Date.now()) continue;
      try {
        await advance(id);
        this.studiesLater.delete(id);
      } catch (error) {
        this.studiesLater.set(id, Date.now() + 5000);
        this.options.log?.warn({ error: String(error), experimentId: id }, 'the search could not go on');
      }
    }
  }

  private async askForTables(tables: readonly DueTable[]): Promise<void> {
    const ask = this.options.onTrialEnded;
    if (!ask) return;
    for (const { id, wanted, ended } of tables) {
      const later = this.tablesLater.get(id);
      if (later !== undefined && later.until > Date.now() && (later.failed || !ended)) continue;
      const began = performance.now();
      try {
        await ask(id);
        // Of many trials that end one after the other a table is wanted now and then, and one when all have.
        const pause = Math.max(tablePause, tableShare * (performance.now() - began));
        if (ended) this.tablesLater.delete(id);
        else this.tablesLater.set(id, { until: Date.now() + pause, failed: false });
        await this.database.pool.query('UPDATE experiment SET table_asked = $2 WHERE id = $1', [id, wanted]);
      } catch (error) {
        this.tablesLater.set(id, { until: Date.now() + 5000, failed: true });
        this.options.log?.warn(
          { error: String(error), experimentId: id },
          'the table could not be asked for',
        );
      }
    }
  }
}

/** An offer that the queue does not hold: the job may be offered again, under the next number. */
export async function withdrawOffer(
  database: Database,
  { jobId, attempt }: Pick<QueueMessage, 'jobId' | 'attempt'>,
): Promise<boolean> {
  const { rowCount } = await database.pool.query(
    `UPDATE job SET queued_at = NULL WHERE id = $1 AND attempt = $2 AND state = 'ready' AND queued_at IS NOT NULL`,
    [jobId, attempt],
  );
  return rowCount === 1;
}

/** What there is to do. */
interface Due {
  studies: string[] | null;
  /** Those with jobs to offer and room for them. */
  resources: ResourceClass[] | null;
  tables: DueTable[] | null;
}

interface DueTable {
  id: string;
  wanted: number;
  /** Its experiment has. */
  ended: boolean;
}

/**
 * An offer that a crash of the database takes back is made again, under the same number: nobody can have claimed it,
 * since a claim is written behind it and waits for the disk.
 */
const unhurried = { begin: 'SET LOCAL synchronous_commit = off', often: true };

/** Marks the next jobs of one resource as offered, each with a new attempt number. */
async function offer(tx: Queryable, resource: ResourceClass): Promise<QueueMessage[]> {
  const { rows } = await tx.query<Capacity>(capacitySql, [resource]);
  if (!rows[0]) return [];
  const { slots, memory, largest, byPlace, busy, busyMemory } = rows[0];
  let free = reserve * slots - busy;
  let freeMemory = reserve * memory - busyMemory;
  if (free <= 0 || freeMemory <= 0) return [];
  const line = await tx.query<InLine>(lineSql, [resource, free, byPlace, largest]);
  const chosen: InLine[] = [];
  for (const job of line.rows) {
    // A job wider than every worker still gets its turn, alone.
    const alone = busy === 0 && chosen.length === 0;
    if (!alone && (job.weight > free || job.memory > freeMemory)) break;
    chosen.push(job);
    free -= job.weight;
    freeMemory -= job.memory;
  }
  // Light jobs (tables, exports) are so short that they cost an experiment nothing of its share.
  if (resource !== 'light') await charge(tx, chosen);
  const offered = await tx.query<QueueMessage>(
    `UPDATE job j SET attempt = j.attempt + 1, queued_at = clock_timestamp(), memory_taken = c.memory
     FROM unnest($1::uuid[], $2::float8[]) AS c(id, memory)
     WHERE j.id = c.id AND j.state = 'ready' AND j.queued_at IS NULL
     RETURNING j.id AS "jobId", j.attempt, j.threads, nullif(j.memory_taken, 0) AS memory`,
    [chosen.map(({ id }) => id), chosen.map(({ memory }) => memory)],
  );
  const place = new Map(chosen.map(({ id }, index) => [id, index]));
  return offered.rows.sort((a, b) => (place.get(a.jobId) ?? 0) - (place.get(b.jobId) ?? 0));
}

/** As many again as there are slots, so that a worker that becomes free need not wait for this loop. */
const reserve = 2;

interface Capacity {
  slots: number;
  /** Bytes of all workers for jobs, and the most that one job may need; Infinity where a worker does not bound it. */
  memory: number;
  largest: number;
  /** A job takes one slot, however many threads it has. */
  byPlace: boolean;
  /** What jobs have that run or are on offer. */
  busy: number;
  busyMemory: number;
}

/**
 * What a resource has, and what of it is taken. Light jobs count by places; so do others where workers give them
 * graphics processors, which have fewer places than their machines have threads.
 */
const capacityOf = (resource: string): string => `
  SELECT w.slots, w.memory, w.largest, w.by_place AS "byPlace", b.memory AS "busyMemory",
    CASE WHEN w.by_place THEN b.jobs ELSE b.threads END AS busy
  FROM (
    SELECT coalesce(sum((slots->>${resource})::int), 0)::int AS slots,
      coalesce(sum(coalesce(memory, 'Infinity')), 0)::float8 AS memory,
      coalesce(max(coalesce(job_memory, 'Infinity')), 0)::float8 AS largest,
      ${resource} <> 'cpu' OR coalesce(bool_or(facts->'devices'->0 IS NOT NULL), false) AS by_place
    FROM worker WHERE state = 'active'
  ) w, (
    SELECT count(*)::int AS jobs, coalesce(sum(j.threads), 0)::int AS threads,
      coalesce(sum(j.memory_taken), 0)::float8 AS memory
    FROM job j WHERE j.resource = ${resource}
      AND (j.state = 'running' OR (j.state = 'ready' AND j.queued_at IS NOT NULL))
  ) b`;

const capacitySql = capacityOf('$1::text');

/** The reserve is filled up when half of it is used. */
const dueSql = `
  SELECT (
    SELECT json_agg(e.id ORDER BY e.created_at) FROM study s JOIN experiment e ON e.id = s.experiment_id
    WHERE s.wanted <> s.asked AND s.state <> 'cancelled' AND e.paused_at IS NULL) AS studies, (
    SELECT json_agg(r.resource) FROM unnest($1::text[]) AS r(resource), LATERAL (${capacityOf('r.resource')}) c
    WHERE EXISTS (SELECT FROM job j WHERE j.resource = r.resource AND j.state = 'ready' AND j.queued_at IS NULL
        AND (j.memory IS NULL OR j.memory <= c.largest OR EXISTS (
          SELECT FROM demand w JOIN experiment e ON e.id = w.experiment_id
          WHERE w.job_id = j.id AND e.memory <= c.largest)))
      AND c.slots > 0 AND c.busy <= ${reserve - 0.5} * c.slots
      AND c."busyMemory" <= ${reserve - 0.5} * c.memory) AS resources, (
    SELECT json_agg(json_build_object('id', e.id, 'wanted', e.table_wanted, 'ended', e.ended_at IS NOT NULL)
      ORDER BY e.created_at) FROM experiment e LEFT JOIN job j ON j.id = e.table_job_id
    WHERE e.table_wanted <> e.table_asked
      AND (j.id IS NULL OR j.state IN ('succeeded', 'failed', 'cancelled'))) AS tables`;

/**
 * Bytes that a job (`j`) needs for one of the experiments that want it (`e`, whose own figure goes before what was
 * estimated); 0 where it was not.
 */
export const neededMemory = 'CASE WHEN j.memory IS NULL THEN 0 ELSE coalesce(e.memory, j.memory) END';

const lineSql = `
  WITH now AS (
    SELECT coalesce(max(virtual_start), 0) AS virtual FROM experiment WHERE ended_at IS NULL
  ), out AS (
    SELECT w.experiment_id AS experiment, count(*) AS n FROM demand w JOIN job j ON j.id = w.job_id
    WHERE j.resource <> 'light' AND w.state = 'wanted'
      AND (j.state = 'running' OR (j.state = 'ready' AND j.queued_at IS NOT NULL)) GROUP BY 1
  ), candidate AS (
    SELECT j.id, j.sequence, CASE WHEN $3 THEN 1 ELSE j.threads END AS weight, ${neededMemory} AS memory, w.experiment_id AS experiment, e.parallel,
      coalesce(e.priority, 5) AS priority, greatest(now.virtual, coalesce(e.virtual_end, 0)) AS free,
      row_number() OVER (PARTITION BY w.experiment_id ORDER BY w.position, j.sequence) AS place
    FROM now, job j LEFT JOIN demand w ON w.job_id = j.id AND w.state = 'wanted'
      LEFT JOIN experiment e ON e.id = w.experiment_id
    WHERE j.resource = $1 AND j.state = 'ready' AND j.queued_at IS NULL
      AND (j.not_before IS NULL OR j.not_before <= clock_timestamp()) AND (j.standalone OR w.job_id IS NOT NULL)
      AND ${neededMemory} <= $4
  ), earliest AS (
    SELECT DISTINCT ON (c.id) c.id, c.weight, c.memory, c.sequence, c.experiment, c.free + (c.place - 1)::float8 / c.priority AS start
    FROM candidate c LEFT JOIN out o ON o.experiment = c.experiment
    WHERE $1 = 'light' OR c.parallel IS NULL OR coalesce(o.n, 0) + c.place <= c.parallel
    ORDER BY c.id, start
  )
  SELECT id, weight, memory, experiment, start FROM earliest ORDER BY start, sequence LIMIT $2`;

interface InLine {
  id: string;
  weight: number;
  /** Bytes. */
  memory: number;
  /** Whose turn it is; null for work of the installation itself. */
  experiment: string | null;
  /** In virtual time. */
  start: number;
}

/** Notes when, in virtual time, the last of each experiment's chosen jobs starts and ends. */
async function charge(tx: Queryable, chosen: readonly InLine[]): Promise<void> {
  const last = new Map<string, number>();
  for (const { experiment, start } of chosen) if (experiment !== null) last.set(experiment, start);
  if (last.size === 0) return;
  await tx.query(
    `UPDATE experiment e SET virtual_start = c.start, virtual_end = c.start + 1.0 / e.priority
     FROM unnest($1::uuid[], $2::float8[]) AS c(id, start) WHERE e.id = c.id`,
    [[...last.keys()], [...last.values()]],
  );
}
