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
 * Hands ready jobs to the queue, never more than the workers' slots and as many again in reserve. Which ones is
 * decided here, by start-time fair queuing (Goyal, Vin and Cheng, 1996): an experiment's next job starts, in virtual
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
  const { rows } = await tx.query<{ capacity: number; busy: number }>(capacitySql, [resource]);
  const { capacity, busy } = rows[0] ?? { capacity: 0, busy: 0 };
  let free = reserve * capacity - busy;
  if (free <= 0) return [];
  const line = await tx.query<InLine>(lineSql, [resource, free]);
  const chosen: InLine[] = [];
  for (const job of line.rows) {
    // A job wider than every worker still gets its turn, alone.
    if (job.weight > free && !(busy === 0 && chosen.length === 0)) break;
    chosen.push(job);
    free -= job.weight;
  }
  // Light jobs (tables, exports) are so short that they cost an experiment nothing of its share.
  if (resource !== 'light') await charge(tx, chosen);
  const offered = await tx.query<QueueMessage>(
    `UPDATE job j SET attempt = j.attempt + 1, queued_at = clock_timestamp()
     FROM unnest($1::uuid[]) WITH ORDINALITY AS c(id, place)
     WHERE j.id = c.id AND j.state = 'ready' AND j.queued_at IS NULL
     RETURNING j.id AS "jobId", j.attempt, j.threads`,
    [chosen.map(({ id }) => id)],
  );
  const place = new Map(chosen.map(({ id }, index) => [id, index]));
  return offered.rows.sort((a, b) => (place.get(a.jobId) ?? 0) - (place.get(b.jobId) ?? 0));
}

const weight = (job: string): string => `CASE WHEN $1 = 'cpu' THEN ${job}.threads ELSE 1 END`;

/** As many again as there are slots, so that a worker that becomes free need not wait for this loop. */
const reserve = 2;

/** A resource's slots, and how many of them jobs have that run or are on offer. */
const capacityOf = (resource: string): string => `
  SELECT (SELECT coalesce(sum((slots->>${resource})::int), 0)::int FROM worker WHERE state = 'active') AS capacity,
    (SELECT coalesce(sum(CASE WHEN j.resource = 'cpu' THEN j.threads ELSE 1 END), 0)::int FROM job j
     WHERE j.resource = ${resource} AND (j.state = 'running' OR (j.state = 'ready' AND j.queued_at IS NOT NULL))) AS busy`;

const capacitySql = capacityOf('$1::text');

/** The reserve is filled up when half of it is used. */
const dueSql = `
  SELECT (
    SELECT json_agg(e.id ORDER BY e.created_at) FROM study s JOIN experiment e ON e.id = s.experiment_id
    WHERE s.wanted <> s.asked AND s.state <> 'cancelled' AND e.paused_at IS NULL) AS studies, (
    SELECT json_agg(r.resource) FROM unnest($1::text[]) AS r(resource), LATERAL (${capacityOf('r.resource')}) c
    WHERE EXISTS (SELECT FROM job j WHERE j.resource = r.resource AND j.state = 'ready' AND j.queued_at IS NULL)
      AND c.capacity > 0 AND c.busy <= ${reserve - 0.5} * c.capacity) AS resources, (
    SELECT json_agg(json_build_object('id', e.id, 'wanted', e.table_wanted, 'ended', e.ended_at IS NOT NULL)
      ORDER BY e.created_at) FROM experiment e LEFT JOIN job j ON j.id = e.table_job_id
    WHERE e.table_wanted <> e.table_asked
      AND (j.id IS NULL OR j.state IN ('succeeded', 'failed', 'cancelled'))) AS tables`;

const lineSql = `
  WITH now AS (
    SELECT coalesce(max(virtual_start), 0) AS virtual FROM experiment WHERE ended_at IS NULL
  ), out AS (
    SELECT w.experiment_id AS experiment, count(*) AS n FROM demand w JOIN job j ON j.id = w.job_id
    WHERE j.resource <> 'light' AND w.state = 'wanted'
      AND (j.state = 'running' OR (j.state = 'ready' AND j.queued_at IS NOT NULL)) GROUP BY 1
  ), candidate AS (
    SELECT j.id, j.sequence, ${weight('j')} AS weight, w.experiment_id AS experiment, e.parallel,
      coalesce(e.priority, 5) AS priority, greatest(now.virtual, coalesce(e.virtual_end, 0)) AS free,
      row_number() OVER (PARTITION BY w.experiment_id ORDER BY w.position, j.sequence) AS place
    FROM now, job j LEFT JOIN demand w ON w.job_id = j.id AND w.state = 'wanted'
      LEFT JOIN experiment e ON e.id = w.experiment_id
    WHERE j.resource = $1 AND j.state = 'ready' AND j.queued_at IS NULL
      AND (j.not_before IS NULL OR j.not_before <= clock_timestamp()) AND (j.standalone OR w.job_id IS NOT NULL)
  ), earliest AS (
    SELECT DISTINCT ON (c.id) c.id, c.weight, c.sequence, c.experiment, c.free + (c.place - 1)::float8 / c.priority AS start
    FROM candidate c LEFT JOIN out o ON o.experiment = c.experiment
    WHERE $1 = 'light' OR c.parallel IS NULL OR coalesce(o.n, 0) + c.place <= c.parallel
    ORDER BY c.id, start
  )
  SELECT id, weight, experiment, start FROM earliest ORDER BY start, sequence LIMIT $2`;

interface InLine {
  id: string;
  weight: number;
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
