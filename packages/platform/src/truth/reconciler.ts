import { attemptTransitions, type AttemptState, type JobKind, type ResourceClass } from '@ferment/contracts';
import type { Logger } from '../log.js';
import type { Database } from '../postgres/database.js';
import type { Delivery } from '../queue/delivery.js';
import { endAttempt } from './attempt-queries.js';
import { countsOf } from './counters.js';
import { withdrawOffer } from './dispatcher.js';
import { failAttempt } from './failure.js';
import { changeGraph } from './graph.js';
import { Leader } from './leader.js';
import { statesBefore } from './transitions.js';

export interface ReconcilerOptions {
  delivery: Delivery;
  log?: Pick<Logger, 'info' | 'warn'>;
  /** Time between two looks (default 2 s). */
  pollMilliseconds?: number;
  /** Must be that of {@link Attempts} (default 15 s): what the grace after an outage is measured by. */
  leaseSeconds?: number;
  /** How long an offer may be in the queue before it is looked for there (default 5 s). */
  offerSeconds?: number;
}

/** The most patient of the experiments that want a job counts; one without a limit waits for ever. */
const overdueSql = `
  SELECT a.job_id AS "jobId", a.number AS attempt, l.minutes FROM attempt a JOIN job j ON j.id = a.job_id
    JOIN LATERAL (
      SELECT CASE WHEN bool_and(e.timeout_minutes IS NOT NULL) THEN max(e.timeout_minutes) END AS minutes
      FROM demand d JOIN experiment e ON e.id = d.experiment_id WHERE d.job_id = j.id AND d.state <> 'withdrawn') l ON true
  WHERE a.state = 'running' AND NOT j.standalone
    AND a.started_at < clock_timestamp() - l.minutes * interval '1 minute'`;

/** Workers that have not been heard of for $1 milliseconds. */
const silentSql = `state <> 'gone' AND heartbeat_at < clock_timestamp() - $1::float8 * interval '1 millisecond'`;

export const reconcilerLock = 0x0fe7_0003;
const auditMilliseconds = 60_000;

/** Makes true again what a crash left half said: leases nobody renews, offers the queue lost, counters. */
export class Reconciler {
  private readonly leader: Leader;
  private readonly lease: number;
  private auditedAt = 0;
  /** Our last look by the database's clock, and until when nothing is declared lost. */
  private lastLook: number | null = null;
  private graceUntil = 0;

  constructor(
    private readonly database: Database,
    private readonly options: ReconcilerOptions,
  ) {
    this.lease = (options.leaseSeconds ?? 15) * 1000;
    this.leader = new Leader({
      url: database.url,
      lock: reconcilerLock,
      pollMilliseconds: options.pollMilliseconds ?? 2000,
      // What it looks for is told by no event, and it would look thousands of times while many jobs end.
      wakes: false,
      log: options.log,
      name: 'reconciler',
      tick: () => this.tick(),
    });
  }

  start(): void {
    this.leader.start();
  }

  stop(): Promise<void> {
    return this.leader.stop();
  }

  private async tick(): Promise<void> {
    if (await this.leasesCount()) {
      await this.loseExpired();
      await this.retireWorkers();
    }
    await this.giveUpOverdue();
    await this.findLostOffers();
    if (performance.now() - this.auditedAt > auditMilliseconds || this.auditedAt === 0) {
      await this.audit();
      this.auditedAt = performance.now();
    }
  }

  /**
   * Only time in which the database was up counts against a lease: after its start, and after a gap in our own looks
   * (it was away, or the machine slept), workers have one whole lease to come back.
   */
  private async leasesCount(): Promise<boolean> {
    const { rows } = await this.database.pool.query<{ now: number; started: number }>(
      `SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now,
         extract(epoch FROM pg_postmaster_start_time())::float8 * 1000 AS started`,
    );
    const { now, started } = rows[0] ?? { now: 0, started: 0 };
    const usual = (this.options.pollMilliseconds ?? 2000) * 2 + 3000;
    if (this.lastLook !== null && now - this.lastLook > usual) this.graceUntil = now + this.lease;
    this.lastLook = now;
    return now >= Math.max(this.graceUntil, started + this.lease);
  }

  private async loseExpired(): Promise<void> {
    const { rows } = await this.database.pool.query<{ jobId: string; attempt: number }>(
      `SELECT job_id AS "jobId", number AS attempt FROM attempt WHERE state = 'running' AND lease_until < clock_timestamp()`,
    );
    for (const { jobId, attempt } of rows) {
      const reason = 'its worker did not answer for a whole lease';
      const lost = await changeGraph(this.database, async (graph) => {
        const ended = await graph.tx.query<{ kind: JobKind }>(
          `UPDATE attempt a SET state = 'lost', ended_at = now(), failure_class = 'lost', reason = $3 FROM job j
           WHERE a.job_id = $1 AND a.number = $2 AND a.state = ANY($4) AND a.lease_until < clock_timestamp()
             AND j.id = a.job_id RETURNING j.kind`,
          [jobId, attempt, reason, statesBefore<AttemptState>(attemptTransitions, 'lost')],
        );
        const kind = ended.rows[0]?.kind;
        if (kind === undefined) return false;
        await failAttempt(graph, { jobId, attempt, kind }, { failureClass: 'lost', reason }, 0);
        return true;
      });
      if (lost) this.options.log?.warn({ jobId, attempt }, 'attempt lost');
    }
  }

  /** Attempts that took longer than every experiment that wants them allows; its worker is then fenced off. */
  private async giveUpOverdue(): Promise<void> {
    const { rows } = await this.database.pool.query<{ jobId: string; attempt: number }>(overdueSql);
    for (const { jobId, attempt } of rows) {
      const givenUp = await changeGraph(this.database, async (graph) => {
        const again = await graph.tx.query<{ minutes: number }>(
          `${overdueSql} AND a.job_id = $1 AND a.number = $2`,
          [jobId, attempt],
        );
        const [overdue] = again.rows;
        if (!overdue) return false;
        const unit = overdue.minutes === 1 ? 'minute' : 'minutes';
        const failure = {
          failureClass: 'timeout',
          reason: `it took longer than the ${overdue.minutes} ${unit} that run.timeout allows`,
        } as const;
        const ended = await endAttempt(graph.tx, jobId, attempt, 'failed', failure);
        if (ended) await failAttempt(graph, { jobId, attempt, kind: ended.kind }, failure, 0);
        return ended !== null;
      });
      if (givenUp) this.options.log?.warn({ jobId, attempt }, 'attempt took too long');
    }
  }

  private async retireWorkers(): Promise<void> {
    const silent = await this.database.pool.query(`SELECT FROM worker WHERE ${silentSql} LIMIT 1`, [
      this.lease,
    ]);
    if (silent.rowCount === 0) return;
    await changeGraph(this.database, async (graph) => {
      const { rows } = await graph.tx.query<{ id: string }>(
        `UPDATE worker SET state = 'gone' WHERE ${silentSql} RETURNING id`,
        [this.lease],
      );
      for (const { id } of rows) graph.tell({ type: 'worker.changed', worker: id, state: 'gone' });
    });
  }

  /** An offer that is neither claimed nor in the queue was lost with it. */
  private async findLostOffers(): Promise<void> {
    const { rows } = await this.database.pool.query<{
      jobId: string;
      attempt: number;
      resource: ResourceClass;
    }>(
      `SELECT id AS "jobId", attempt, resource FROM job
       WHERE state = 'ready' AND queued_at < clock_timestamp() - $1::float8 * interval '1 second' ORDER BY queued_at`,
      [this.options.offerSeconds ?? 5],
    );
    let found = 0;
    for (const { resource, ...message } of rows) {
      if (await this.options.delivery.has(resource, message)) continue;
      if (await withdrawOffer(this.database, message)) found += 1;
    }
    if (found === 0) return;
    this.options.log?.warn({ jobs: found }, 'the queue had lost jobs; they are offered again');
    await this.database.pool.query(`SELECT pg_notify('ferment', 'event')`);
  }

  /** Looks at every unfinished experiment: jobs in line with their inputs, counters with their rows. */
  private async audit(): Promise<void> {
    await changeGraph(this.database, async (graph) => {
      const { tx } = graph;
      const waiting = await tx.query<{ id: string }>(
        `SELECT id FROM job WHERE state IN ('pending', 'blocked')`,
      );
      await graph.refresh(waiting.rows.map(({ id }) => id));
      await tx.query(`UPDATE study SET wanted = wanted + 1 WHERE state = 'open'`);
      const active = await tx.query<{
        id: string;
        jobs: Record<string, number>;
        trials: Record<string, number>;
      }>(
        `SELECT id, job_counts AS jobs, trial_counts AS trials FROM experiment WHERE state IN ('waiting', 'running')`,
      );
      for (const { id, jobs, trials } of active.rows) {
        const counted = await countsOf(tx, id);
        if (sameCounts(jobs, counted.jobs) && sameCounts(trials, counted.trials)) continue;
        this.options.log?.warn({ experimentId: id }, 'counters did not agree with their rows; counted anew');
        graph.countAnew(id);
      }
    });
  }
}

function sameCounts(a: Record<string, number>, b: Record<string, number>): boolean {
  return [...Object.keys(a), ...Object.keys(b)].every((state) => (a[state] ?? 0) === (b[state] ?? 0));
}
