import type { ArtifactReference, JobProgress, MetricRow } from '@ferment/contracts';
import { prepared, type Database } from '../postgres/database.js';
import {
  endAttempt,
  heartbeatSql,
  isRunning,
  publishFiles,
  recordArtifacts,
  type Publication,
} from './attempt-queries.js';
import { Batches } from './batches.js';
import { claimAttempts, type Claim, type ClaimRequest } from './claim.js';
import { completeAttempts, type CompletionRequest } from './complete.js';
import { discardCheckpoints } from './checkpoints.js';
import { channel } from './events.js';
import { failAttempt, returnToReady, type Failure } from './failure.js';
import { Curves, type CurveStore } from './curves.js';
import { appendLog, type LogAppend } from './attempt-logs.js';
import { changeGraph, type Graph } from './graph.js';
import { MetricAppends } from './metric-appends.js';
import { summariseMetrics } from './metric-summaries.js';

/** What travels through the queue: everything else is read when the attempt is claimed. */
export interface QueueMessage {
  jobId: string;
  attempt: number;
  /** CPU threads that the job keeps busy. */
  threads: number;
  /** Bytes of memory that it needs at its peak; null where that is not known. */
  memory: number | null;
}

export type Order = 'continue' | 'pause' | 'cancel' | 'fenced';

export interface AttemptOptions {
  /** How long an attempt stays its worker's without a heartbeat. */
  leaseSeconds?: number;
  /** First delay before a transient failure is tried again; it doubles each time, up to five minutes. */
  backOffMilliseconds?: number;
  /** Where curves lie that were moved out of the database: those of jobs that are run again after that. */
  store?: CurveStore;
}

export interface RunningAttempt {
  jobId: string;
  attempt: number;
  progress?: JobProgress;
}

export interface Completion {
  /** One for each output role of the job's kind. */
  outputs: Record<string, ArtifactReference>;
  result: unknown;
  /** False: neither this attempt nor one before it told any metrics, so that none are looked for (default true). */
  hasCurve?: boolean;
}

/**
 * A worker's side of the truth. Every write names its attempt and changes nothing unless that attempt is the running
 * one, so a worker that was cut off and comes back does no harm.
 */
export class Attempts {
  private readonly leaseSeconds: number;
  private readonly backOff: number;
  private readonly curves: Curves;
  private readonly changes: Batches<Change, Changed>;
  private readonly publications: Batches<Publication, boolean>;
  private readonly appends: MetricAppends;

  constructor(
    private readonly database: Database,
    options: AttemptOptions = {},
  ) {
    this.leaseSeconds = options.leaseSeconds ?? 15;
    this.backOff = options.backOffMilliseconds ?? 2000;
    this.appends = new MetricAppends(database.pool);
    // Each curve is read once: there is nothing to keep.
    this.curves = new Curves(database, options.store ?? noStore, { keptBytes: 0 });
    this.changes = new Batches((calls) => this.change(calls));
    this.publications = new Batches((calls) => publishFiles(prepared(database.pool), calls));
  }

  /**
   * Starts the attempt that a message offers. Null when there is nothing to do: delivered twice, superseded,
   * cancelled, paused, or the worker is draining. Claims and completions that come side by side share a transaction.
   */
  async claim(
    { jobId, attempt }: Pick<QueueMessage, 'jobId' | 'attempt'>,
    worker: { id: string },
  ): Promise<Claim | null> {
    const { claim } = await this.changes.add({ claim: { jobId, attempt, workerId: worker.id } });
    return claim;
  }

  /**
   * Renews the leases of a worker's attempts (by the database's clock) and says what to do with each: `pause` =
   * checkpoint, stop, report `preempted`; `cancel` = stop at once, nobody wants it; `fenced` = stop at once, it is not
   * this worker's any more.
   */
  async heartbeat(
    workerId: string,
    running: readonly RunningAttempt[],
  ): Promise<{ draining: boolean; orders: { jobId: string; attempt: number; order: Order }[] }> {
    const { rows } = await this.database.pool.query<{ draining: boolean; orders: OrderRow[] }>(heartbeatSql, [
      workerId,
      running.map(({ jobId }) => jobId),
      running.map(({ attempt }) => attempt),
      running.map(({ progress }) => (progress === undefined ? null : JSON.stringify(progress))),
      this.leaseSeconds,
    ]);
    const answer = rows[0];
    const known = new Map((answer?.orders ?? []).map((row) => [`${row.jobId} ${row.attempt}`, row]));
    const draining = answer?.draining ?? false;
    const orders = running.map(({ jobId, attempt }) => {
      const row = known.get(`${jobId} ${attempt}`);
      return { jobId, attempt, order: orderFor(row, draining) };
    });
    return { draining, orders };
  }

  /**
   * Appends rows of the curve, as one chunk; what several attempts append at the same time shares a statement.
   *
   * @param truncateFrom the attempt resumed: what earlier attempts said from this step on no longer counts
   * @param after cursor of the job's chunk before this one ({@link Claim.cursor} for the attempt's first). With it a
   *   repeat, after an answer that was lost on its way, is recognised: true again, and nothing is stored twice
   * @returns false when the attempt is not the running one
   */
  appendMetrics(
    jobId: string,
    attempt: number,
    rows: readonly MetricRow[],
    truncateFrom?: number,
    after?: number,
  ): Promise<boolean> {
    const cursor = { truncateFrom: truncateFrom ?? null, after: after ?? null };
    return this.appends.append({ jobId, attempt, rows, ...cursor });
  }

  /**
   * Appends lines to the attempt's log. The worker that has the attempt may do so also after it lost it, until the log
   * has become a file: nothing but this log changes by it, and its last lines are the interesting ones. Safe to repeat.
   *
   * @returns false when the log takes no more lines
   */
  appendLog(jobId: string, attempt: number, lines: LogAppend): Promise<boolean> {
    return appendLog(this.database.pool, jobId, attempt, lines);
  }

  /**
   * Records a resumable state whose bytes are in the store; it takes the place of the job's earlier ones, whose bytes
   * {@link discardCheckpoints} then removes.
   */
  saveCheckpoint(
    jobId: string,
    attempt: number,
    checkpoint: { step: number; epoch: number; artifact: ArtifactReference },
  ): Promise<boolean> {
    const { step, epoch, artifact } = checkpoint;
    return this.database.transaction(async (tx) => {
      if (!(await isRunning(tx, jobId, attempt))) return false;
      await recordArtifacts(tx, [artifact], ['resume']);
      await tx.query(
        `INSERT INTO checkpoint (job_id, attempt, step, epoch, hash) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (job_id, attempt, step) DO UPDATE SET epoch = excluded.epoch, hash = excluded.hash`,
        [jobId, attempt, step, epoch, artifact.hash],
      );
      await tx.query('DELETE FROM checkpoint WHERE job_id = $1 AND (attempt, step) <> ($2, $3)', [
        jobId,
        attempt,
        step,
      ]);
      const payload = { type: 'checkpoint.saved', step, epoch, hash: artifact.hash };
      await tx.query('INSERT INTO event (job_id, payload) VALUES ($1, $2)', [jobId, JSON.stringify(payload)]);
      await tx.query(`SELECT pg_notify('${channel}', 'event')`);
      return true;
    });
  }

  /**
   * Removes the bytes of this job's checkpoints that nothing refers to any more, also those that an earlier caller did
   * not come to remove. For whoever has just recorded a newer checkpoint or the job's success; anybody may repeat it.
   *
   * Checked and removed under a lock on the artifact's row: a checkpoint of the same bytes that is recorded meanwhile
   * waits, and finds the artifact gone. So whoever records one looks afterwards whether the store still has it.
   *
   * @param remove removes one artifact from the store; must be safe to repeat
   * @returns how many were removed
   */
  discardCheckpoints(jobId: string, remove: (hash: string) => Promise<void>): Promise<number> {
    return this.database.transaction((tx) => discardCheckpoints(tx, jobId, remove));
  }

  /**
   * Says which artifacts the attempt is about to store as its job's outputs. To be called before their bytes are put:
   * the same bytes may lie there unused, and be collected at this very moment. That is waited for here, and does not
   * happen again while the attempt runs.
   *
   * @returns false when the attempt is not the running one
   */
  publish(jobId: string, attempt: number, artifacts: readonly ArtifactReference[]): Promise<boolean> {
    return this.publications.add({ jobId, attempt, artifacts });
  }

  /**
   * Ends the attempt and its job with success; its resumable states are no longer needed (see
   * {@link discardCheckpoints}). True again when repeated by the attempt that succeeded, so that it may
   * be sent again after a broken connection.
   *
   * @throws Error when an output of the job's kind is missing
   */
  async complete(
    jobId: string,
    attempt: number,
    { outputs, result, hasCurve = true }: Completion,
  ): Promise<boolean> {
    // Its rows are all there, and it alone may write more: this need not wait in the graph's lock.
    const series = hasCurve ? await summariseMetrics(this.database.pool, this.curves, jobId) : [];
    const { kept } = await this.changes.add({ completion: { jobId, attempt, outputs, result, series } });
    return kept;
  }

  /**
   * Ends the attempt with a failure: the job is tried again after a back-off while its class allows, else it has
   * failed and what depends on it is blocked. With `details.corruptArtifact` (a hash) the job that made that artifact
   * runs again first.
   */
  fail(jobId: string, attempt: number, failure: Failure): Promise<boolean> {
    return changeGraph(this.database, async (graph) => {
      const ended = await endAttempt(graph.tx, jobId, attempt, 'failed', failure);
      if (!ended) return false;
      await failAttempt(graph, { jobId, attempt, kind: ended.kind }, failure, this.backOff);
      return true;
    });
  }

  /** Ends the attempt after it wrote its checkpoint because it was told to pause; the job is ready again. */
  preempted(jobId: string, attempt: number): Promise<boolean> {
    return changeGraph(this.database, async (graph) => {
      if (!(await endAttempt(graph.tx, jobId, attempt, 'preempted'))) return false;
      graph.tell(
        { type: 'attempt.changed', state: 'preempted', attempt, failureClass: null, reason: null },
        { jobId },
      );
      await returnToReady(graph, jobId, null);
      return true;
    });
  }

  /** One change of the graph for all that ends and begins at this moment. */
  private change(calls: readonly Change[]): Promise<Changed[]> {
    const work = async (graph: Graph): Promise<Changed[]> => {
      const completions = calls.flatMap(({ completion }) => completion ?? []);
      const requests = calls.flatMap(({ claim }) => claim ?? []);
      const kept =
        completions.length > 0 ? await completeAttempts(graph, completions) : new Set<CompletionRequest>();
      const claims =
        requests.length > 0
          ? await claimAttempts(graph, requests, this.leaseSeconds)
          : new Map<ClaimRequest, Claim>();
      return calls.map(({ claim, completion }) => ({
        claim: (claim && claims.get(claim)) ?? null,
        kept: completion !== undefined && kept.has(completion),
      }));
    };
    return changeGraph(this.database, work, { often: true });
  }
}

/** What a worker asks of the graph: one of the two. */
interface Change {
  claim?: ClaimRequest;
  completion?: CompletionRequest;
}

interface Changed {
  claim: Claim | null;
  kept: boolean;
}

/** Of a worker that was given none: jobs whose curves were never moved out of the database need none. */
const noStore: CurveStore = {
  get: noStoreGiven,
  read: noStoreGiven,
  quarantine: noStoreGiven,
};

function noStoreGiven(hash: string): Promise<never> {
  return Promise.reject(new Error(`artifact ${hash} cannot be read: no store was given to Attempts`));
}

interface OrderRow {
  jobId: string;
  attempt: number;
  state: string;
  wanted: boolean;
}

function orderFor(row: OrderRow | undefined, draining: boolean): Order {
  if (row?.state === 'cancelled') return 'cancel';
  if (row?.state !== 'running') return 'fenced';
  return draining || !row.wanted ? 'pause' : 'continue';
}

export type { Claim } from './claim.js';
export type { Failure } from './failure.js';
export type { LogAppend } from './attempt-logs.js';
