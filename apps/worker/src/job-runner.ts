import { AttemptRun, type RunOptions } from './attempt-run.js';
import type { Child } from './children/child.js';
import type { ChildPool } from './children/pool.js';
import { LeaseKeeper } from './lease-keeper.js';
import { describe, persist } from './retry.js';
import { ThreadRoom, type Need, type Room } from './room.js';
import { Slots } from './slots.js';
import type { QueueMessage } from './truth.js';

export interface RunnerOptions extends RunOptions {
  pool: ChildPool;
  /** What jobs of the `cpu` class share: CPU threads and memory, or graphics processors. */
  room: Room;
  /** Jobs of the `light` class at once. */
  light: number;
  heartbeatSeconds: number;
}

/** How long claiming is tried while the database is away; the queue delivers the attempt again later. */
const claimPatience = 60_000;

/** Takes deliveries and sees each attempt to its end. */
export class JobRunner {
  readonly leases: LeaseKeeper;
  readonly #slots: Record<'cpu' | 'gpu' | 'light', Slots>;
  readonly #roomListeners: Record<'cpu' | 'gpu' | 'light', ((room: number) => void)[]> = {
    cpu: [],
    gpu: [],
    light: [],
  };
  /** How often a delivery was given back for want of room, by job and attempt. */
  readonly #givenBack = new Map<string, number>();
  readonly #drainListeners: ((draining: boolean) => void)[] = [];
  #draining = false;
  #closing = false;
  #closed = false;

  constructor(private readonly options: RunnerOptions) {
    this.leases = new LeaseKeeper({ ...options, onDraining: (draining) => this.drain(draining) });
    const slots = (resource: 'cpu' | 'gpu' | 'light', room: Room): Slots =>
      new Slots(room, (hold) => {
        for (const listener of this.#roomListeners[resource]) listener(hold);
      });
    this.#slots = {
      cpu: slots('cpu', options.room),
      // A training on an accelerator and a table keep little of the processor busy: they have slots of their own.
      gpu: slots('gpu', new ThreadRoom(1)),
      light: slots('light', new ThreadRoom(options.light)),
    };
  }

  /**
   * Whether a delivered attempt is to be run here. False while there is no room for it: it goes back to the queue, for
   * a worker that has. One that came back as often as `patience` says, and so was taken by no other, is kept and waits
   * its turn here, lest jobs that need much be passed by those that need little for ever; unless it needs more memory
   * than this worker has at all.
   */
  keeps(resource: 'cpu' | 'gpu' | 'light', delivery: QueueMessage, patience = 20): boolean {
    const name = `${delivery.jobId} ${delivery.attempt}`;
    const times = this.#givenBack.get(name) ?? 0;
    const slots = this.#slots[resource];
    const need = needOf(resource, delivery);
    if (slots.holds(need) && (times >= patience || slots.fits(need))) {
      this.#givenBack.delete(name);
      return true;
    }
    // Deliveries that another worker took are never heard of again: the oldest are forgotten.
    const oldest = this.#givenBack.keys().next().value;
    if (this.#givenBack.size >= 1000 && oldest !== undefined) this.#givenBack.delete(oldest);
    this.#givenBack.set(name, times + 1);
    return false;
  }

  /** Calls `listener` with how many deliveries of the resource to hold, whenever that may have changed. */
  onRoom(resource: 'cpu' | 'gpu' | 'light', listener: (room: number) => void): void {
    this.#roomListeners[resource].push(listener);
  }

  /**
   * Runs a delivered attempt once there is room for it. Resolves when it ended, or at once where the attempt is
   * taken or outdated, or this worker takes no new work.
   */
  async run(resource: 'cpu' | 'gpu' | 'light', delivery: QueueMessage): Promise<void> {
    await this.#slots[resource].with(needOf(resource, delivery), async (device) => {
      // A worker that drains is refused the claim, and the database offers the job to another one.
      if (this.#closed) return;
      const { truth, pool, workerId } = this.options;
      const asked = this.options.log.child({ jobId: delivery.jobId, attempt: delivery.attempt });
      const askedAt = performance.now();
      const claim = await persist(
        () => truth.claim(delivery, { id: workerId }),
        'claiming',
        asked,
        AbortSignal.timeout(claimPatience),
      );
      if (claim === null) return;
      const { jobId, attempt, kind, experimentIds } = claim;
      const log = asked.child({ kind, experimentIds });
      const run = new AttemptRun(claim, askedAt, { ...this.options, log });
      await this.leases.during(run, async () => {
        let child: Child;
        try {
          child = await pool.take(delivery.threads, device);
        } catch (error) {
          log.error({ error: describe(error) }, 'no child process');
          await truth.preempted(jobId, attempt);
          return;
        }
        log.info({ child: child.pid, device }, 'attempt started');
        try {
          await run.execute(child);
        } finally {
          await pool.give(child);
        }
      });
    });
  }

  /** By resource: slots, and how many of them running jobs have. */
  get slots(): Record<string, { total: number; taken: number }> {
    const { cpu: threads, light } = this.#slots;
    const told = ({ total, free }: Slots) => ({ total, taken: total - free });
    return { cpu: told(threads), light: told(light) };
  }

  /** Bytes that running jobs have, and how many there are for them; null where they are not bounded. */
  get memory(): { total: number | null; taken: number } {
    const { memory, memoryTaken } = this.options.room;
    return { total: memory?.total ?? null, taken: memoryTaken };
  }

  /** Whether new work is to be fetched, from now on; what runs goes on. */
  drain(draining: boolean): void {
    if (this.#draining === draining || this.#closing) return;
    this.#draining = draining;
    for (const listener of this.#drainListeners) listener(draining);
  }

  /** Calls `listener` whenever fetching is to stop (true) or to go on (false). */
  onDraining(listener: (draining: boolean) => void): void {
    this.#drainListeners.push(listener);
  }

  /**
   * Stops: running attempts save their state and become ready again, as far as `seconds` allow; children end.
   */
  async close(seconds: number): Promise<void> {
    this.drain(true);
    this.#closing = true;
    const end = performance.now() + seconds * 1000;
    while (this.leases.running > 0 && performance.now() < end) {
      this.leases.pauseAll();
      await new Promise((next) => setTimeout(next, 20));
    }
    this.#closed = true;
    await this.options.pool.close();
    await this.leases.stop();
  }
}

/** Imports and tables take a place of their class, however many threads they have. */
const needOf = (resource: 'cpu' | 'gpu' | 'light', { threads, memory }: QueueMessage): Need =>
  resource === 'cpu' ? { threads, memory: memory ?? 0 } : { threads: 1, memory: 0 };
