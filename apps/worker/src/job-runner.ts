import { AttemptRun, type RunOptions } from './attempt-run.js';
import type { Child } from './children/child.js';
import type { ChildPool } from './children/pool.js';
import { cpu, Devices, type Device } from './devices.js';
import { LeaseKeeper } from './lease-keeper.js';
import { describe, persist } from './retry.js';
import { ThreadSlots } from './thread-slots.js';
import type { QueueMessage } from './truth.js';

export interface RunnerOptions extends RunOptions {
  pool: ChildPool;
  /** What jobs of the `cpu` class share: CPU threads or, with `devices`, one slot for each of those. */
  threads: number;
  /** Graphics processors on which jobs of the `cpu` class run; the CPU where there are none. */
  devices?: readonly Device[];
  /** Jobs of the `light` class at once. */
  light: number;
  heartbeatSeconds: number;
}

/** How long claiming is tried while the database is away; the queue delivers the attempt again later. */
const claimPatience = 60_000;

/** Takes deliveries and sees each attempt to its end. */
export class JobRunner {
  readonly leases: LeaseKeeper;
  readonly #slots: Record<'cpu' | 'gpu' | 'light', ThreadSlots>;
  readonly #devices: Devices;
  readonly #roomListeners: Record<'cpu' | 'gpu' | 'light', ((room: number) => void)[]> = {
    cpu: [],
    gpu: [],
    light: [],
  };
  /** How often a delivery was given back for want of threads, by job and attempt. */
  readonly #givenBack = new Map<string, number>();
  readonly #drainListeners: ((draining: boolean) => void)[] = [];
  #draining = false;
  #closing = false;
  #closed = false;

  constructor(private readonly options: RunnerOptions) {
    this.#devices = new Devices(options.devices ?? []);
    this.leases = new LeaseKeeper({ ...options, onDraining: (draining) => this.drain(draining) });
    const slots = (resource: 'cpu' | 'gpu' | 'light', total: number): ThreadSlots =>
      new ThreadSlots(total, (room) => {
        for (const listener of this.#roomListeners[resource]) listener(room);
      });
    this.#slots = {
      cpu: slots('cpu', options.threads),
      // A training on an accelerator and a table keep little of the processor busy: they have slots of their own.
      gpu: slots('gpu', 1),
      light: slots('light', options.light),
    };
  }

  /**
   * Whether a delivered attempt is to be run here. False while there is no room for it: it goes back to the queue, for
   * a worker that has. One that came back as often as `patience` says, and so was taken by no other, is kept and waits
   * its turn here, lest jobs of many threads be passed by those of few for ever.
   */
  keeps(
    resource: 'cpu' | 'gpu' | 'light',
    { jobId, attempt, threads }: QueueMessage,
    patience = 20,
  ): boolean {
    const name = `${jobId} ${attempt}`;
    const times = this.#givenBack.get(name) ?? 0;
    if (times >= patience || this.#slots[resource].fits(this.#slotsOf(resource, threads))) {
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
    await this.#slots[resource].with(this.#slotsOf(resource, delivery.threads), async () => {
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
        // Imports and tables have no use for a graphics processor.
        const device = resource === 'cpu' ? this.#devices.take() : cpu;
        let child: Child;
        try {
          child = await pool.take(delivery.threads, device);
        } catch (error) {
          this.#devices.give(device);
          log.error({ error: describe(error) }, 'no child process');
          await truth.preempted(jobId, attempt);
          return;
        }
        log.info({ child: child.pid, device }, 'attempt started');
        try {
          await run.execute(child);
        } finally {
          await pool.give(child);
          this.#devices.give(device);
        }
      });
    });
  }

  #slotsOf(resource: 'cpu' | 'gpu' | 'light', threads: number): number {
    return resource === 'cpu' && this.#devices.all.length === 0 ? threads : 1;
  }

  /** By resource: slots, and how many of them running jobs have. */
  get slots(): Record<string, { total: number; taken: number }> {
    const { cpu: threads, light } = this.#slots;
    const told = ({ total, free }: ThreadSlots) => ({ total, taken: total - free });
    return { cpu: told(threads), light: told(light) };
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
