import type { AttemptRun } from './attempt-run.js';
import type { Tally } from './figures.js';
import { describe } from './retry.js';
import type { Log, Truth } from './truth.js';

export interface LeaseOptions {
  truth: Truth;
  workerId: string;
  log: Log;
  /** What is counted (default: nothing). */
  tally?: Tally;
  heartbeatSeconds: number;
  /** With each heartbeat: whether the installation drains this worker. */
  onDraining: (draining: boolean) => void;
}

/**
 * Renews the leases of all running attempts with one heartbeat, from this process, because a child that trains does
 * not answer for seconds. An attempt whose lease has run out unrenewed is given up: another worker may have it by now.
 */
export class LeaseKeeper {
  readonly #runs = new Set<AttemptRun>();
  #beat: NodeJS.Timeout | null = null;
  #watch: NodeJS.Timeout | null = null;
  #beating: Promise<void> | null = null;

  constructor(private readonly options: LeaseOptions) {}

  start(): void {
    this.#beat = setInterval(() => void this.beat(), this.options.heartbeatSeconds * 1000);
    this.#watch = setInterval(
      () => this.#giveUpExpired(),
      Math.min(1000, this.options.heartbeatSeconds * 250),
    );
  }

  async stop(): Promise<void> {
    if (this.#beat !== null) clearInterval(this.#beat);
    if (this.#watch !== null) clearInterval(this.#watch);
    await this.#beating;
  }

  /** Keeps the attempt's lease while `work` runs. */
  async during(run: AttemptRun, work: () => Promise<void>): Promise<void> {
    this.#runs.add(run);
    try {
      await work();
    } finally {
      this.#runs.delete(run);
    }
  }

  /** Orders that hold for every running attempt: the worker itself is stopping. */
  pauseAll(): void {
    for (const run of this.#runs) run.obey('pause');
  }

  get runs(): readonly AttemptRun[] {
    return [...this.#runs];
  }

  get running(): number {
    return this.#runs.size;
  }

  /** One heartbeat now; while one is under way, that one. */
  async beat(): Promise<void> {
    this.#beating ??= this.#renew().finally(() => {
      this.#beating = null;
    });
    await this.#beating;
  }

  async #renew(): Promise<void> {
    const askedAt = performance.now();
    const runs = [...this.#runs];
    try {
      const answer = await this.options.truth.heartbeat(
        this.options.workerId,
        runs.map(({ claim: { jobId, attempt }, progress }) =>
          progress === null ? { jobId, attempt } : { jobId, attempt, progress },
        ),
      );
      for (const { jobId, attempt, order } of answer.orders) {
        const run = runs.find(({ claim }) => claim.jobId === jobId && claim.attempt === attempt);
        if (run === undefined) continue;
        if (order !== 'fenced') run.renewedAt = askedAt;
        run.obey(order);
      }
      this.options.onDraining(answer.draining);
    } catch (error) {
      this.options.tally?.heartbeatFailed();
      this.options.log.warn({ error: describe(error) }, 'heartbeat failed');
    }
  }

  #giveUpExpired(): void {
    const now = performance.now();
    for (const run of this.#runs) {
      const { leaseSeconds } = run.claim;
      if (now - run.renewedAt > leaseSeconds * 1000)
        run.lose(`its lease of ${leaseSeconds} s could not be renewed`);
    }
  }
}
