import { resourceClasses, type ResourceClass } from '@ferment/contracts';
import type { Logger } from '../log.js';
import type { Database, Queryable } from '../postgres/database.js';
import type { Delivery } from '../queue/delivery.js';
import type { QueueMessage } from './attempts.js';
import { Leader } from './leader.js';

export interface DispatcherOptions {
  delivery: Delivery;
  /** Called when trials ended, until it resolves: ask for the experiment's table. One call at a time. */
  onTrialEnded?: (experimentId: string) => Promise<void>;
  log?: Pick<Logger, 'info' | 'warn'>;
  /** Longest time between two looks (default 1 s); changes in the database are noticed at once. */
  pollMilliseconds?: number;
}

const dispatcherLock = 0x0fe7_0002;

/**
 * Hands ready jobs to the queue, never more than the workers' slots and as many again in reserve. Which ones is
 * decided here: each experiment's next job is served at (jobs of it already out + its place in line) / priority, so a
 * small experiment waits for at most about one job of each experiment beside it, however large they are.
 */
export class Dispatcher {
  private readonly leader: Leader;
  private readonly tablesLater = new Map<string, number>();

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
    for (const resource of resourceClasses) {
      const offers = await this.database.transaction((tx) => offer(tx, resource));
      for (const message of offers) await this.hand(resource, message);
    }
    await this.askForTables();
  }

  private async hand(resource: ResourceClass, message: QueueMessage): Promise<void> {
    try {
      await this.options.delivery.enqueue(resource, message);
    } catch (error) {
      this.options.log?.warn(
        { error: String(error), ...message },
        'the queue did not take a job; it stays ready',
      );
      await withdrawOffer(this.database, message);
    }
  }

  private async askForTables(): Promise<void> {
    const ask = this.options.onTrialEnded;
    if (!ask) return;
    const { rows } = await this.database.pool.query<{ id: string; wanted: number }>(
      `SELECT e.id, e.table_wanted AS wanted FROM experiment e LEFT JOIN job j ON j.id = e.table_job_id
       WHERE e.table_wanted <> e.table_asked
         AND (j.id IS NULL OR j.state IN ('succeeded', 'failed', 'cancelled')) ORDER BY e.created_at`,
    );
    for (const { id, wanted } of rows) {
      if ((this.tablesLater.get(id) ?? 0) > Date.now()) continue;
      try {
        await ask(id);
        this.tablesLater.delete(id);
        await this.database.pool.query('UPDATE experiment SET table_asked = $2 WHERE id = $1', [id, wanted]);
      } catch (error) {
        this.tablesLater.set(id, Date.now() + 5000);
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

/** Marks the next jobs of one resource as offered, each with a new attempt number. */
async function offer(tx: Queryable, resource: ResourceClass): Promise<QueueMessage[]> {
  const { rows } = await tx.query<{ capacity: number; busy: number }>(capacitySql, [resource]);
  const { capacity, busy } = rows[0] ?? { capacity: 0, busy: 0 };
  // As many again in reserve, so that a worker that becomes free need not wait for this loop.
  let free = 2 * capacity - busy;
  if (capacity === 0 || free <= 0) return [];
  const line = await tx.query<{ id: string; weight: number; threads: number }>(lineSql, [resource, free]);
  const chosen: string[] = [];
  for (const { id, weight } of line.rows) {
    // A job wider than every worker still gets its turn, alone.
    if (weight > free && !(busy === 0 && chosen.length === 0)) break;
    chosen.push(id);
    free -= weight;
  }
  const offered = await tx.query<QueueMessage>(
    `UPDATE job j SET attempt = j.attempt + 1, queued_at = clock_timestamp()
     FROM unnest($1::uuid[]) WITH ORDINALITY AS c(id, place)
     WHERE j.id = c.id AND j.state = 'ready' AND j.queued_at IS NULL
     RETURNING j.id AS "jobId", j.attempt, j.threads`,
    [chosen],
  );
  const place = new Map(chosen.map((id, index) => [id, index]));
  return offered.rows.sort((a, b) => (place.get(a.jobId) ?? 0) - (place.get(b.jobId) ?? 0));
}

const weight = (job: string): string => `CASE WHEN $1 = 'cpu' THEN ${job}.threads ELSE 1 END`;

const capacitySql = `
  SELECT (SELECT coalesce(sum((slots->>$1::text)::int), 0)::int FROM worker WHERE state = 'active') AS capacity,
    (SELECT coalesce(sum(${weight('j')}), 0)::int FROM job j
     WHERE j.resource = $1 AND (j.state = 'running' OR (j.state = 'ready' AND j.queued_at IS NOT NULL))) AS busy`;

const lineSql = `
  WITH candidate AS (
    SELECT j.id, j.sequence, j.threads, ${weight('j')} AS weight, w.experiment_id AS experiment,
      coalesce(e.priority, 5) AS priority,
      row_number() OVER (PARTITION BY w.experiment_id ORDER BY w.position, j.sequence) AS place
    FROM job j LEFT JOIN demand w ON w.job_id = j.id AND w.state = 'wanted'
      LEFT JOIN experiment e ON e.id = w.experiment_id
    WHERE j.resource = $1 AND j.state = 'ready' AND j.queued_at IS NULL
      AND (j.not_before IS NULL OR j.not_before <= clock_timestamp()) AND (j.standalone OR w.job_id IS NOT NULL)
  ), busy AS (
    SELECT w.experiment_id AS experiment, count(*) AS n FROM demand w JOIN job j ON j.id = w.job_id
    WHERE j.resource = $1 AND w.state = 'wanted'
      AND (j.state = 'running' OR (j.state = 'ready' AND j.queued_at IS NOT NULL)) GROUP BY 1
  )
  SELECT c.id, c.weight, c.threads FROM candidate c LEFT JOIN busy b ON b.experiment = c.experiment
  GROUP BY c.id, c.weight, c.threads, c.sequence
  ORDER BY min((coalesce(b.n, 0) + c.place) / c.priority::float8), c.sequence LIMIT $2`;
