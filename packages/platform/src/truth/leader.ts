import pg from 'pg';
import type { Logger } from '../log.js';
import { answeringWithin } from '../postgres/database.js';
import { channel } from './events.js';

const answerMilliseconds = 15_000;

/**
 * A process that leads and has asked nothing for so long leads no more: it stands still, or its machine does. The
 * server ends its connection, and the lock with it. Two that lead for a moment do no harm: transitions are conditional.
 */
const silenceMilliseconds = 15_000;
/** One that is at work asks now and then, however long its tick or its pause takes. */
const signOfLifeMilliseconds = 4_000;

export interface LeaderOptions {
  url: string;
  /** Advisory lock: of all processes that ask, one at a time leads. */
  lock: number;
  /** Longest time between two ticks. */
  pollMilliseconds: number;
  /** False: events do not make it tick sooner (default true). */
  wakes?: boolean;
  log: Pick<Logger, 'info' | 'warn'> | undefined;
  name: string;
  tick(): Promise<void>;
}

/**
 * Runs `tick` in one process of the installation: on every event and at least once a poll. The lock lives with a
 * connection of its own; when that breaks, another process leads and this one asks again.
 */
export class Leader {
  private stopped = false;
  private running: Promise<void> | null = null;
  private wake: (() => void) | null = null;
  private kicked = false;

  constructor(private readonly options: LeaderOptions) {}

  start(): void {
    this.running ??= this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.kick();
    await this.running;
  }

  /** Ticks soon, without waiting for the poll. */
  kick(): void {
    this.kicked = true;
    this.wake?.();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.connected();
      } catch (error) {
        this.options.log?.warn(
          { error: String(error) },
          `${this.options.name}: no connection to the database`,
        );
        if (!this.stopped) await this.pause(Math.min(1000, this.options.pollMilliseconds));
      }
    }
  }

  private async connected(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.options.url,
      ...answeringWithin(answerMilliseconds),
    });
    let broken: Error | null = null;
    client.on('error', (error) => {
      broken = error;
      this.kick();
    });
    client.on('notification', ({ payload }) => {
      if (payload === 'event' && this.options.wakes !== false) this.kick();
    });
    let alive: NodeJS.Timeout | undefined;
    try {
      await client.connect();
      await client.query(`LISTEN ${channel}`);
      // PostgreSQL 13 does not have it.
      await client.query(
        `SELECT set_config(name, $1, false) FROM pg_settings WHERE name = 'idle_session_timeout'`,
        [String(silenceMilliseconds)],
      );
      alive = setInterval(() => {
        client.query('SELECT 1').catch((error: unknown) => {
          broken ??= error instanceof Error ? error : new Error(String(error));
          this.kick();
        });
      }, signOfLifeMilliseconds);
      let leads = false;
      while (!this.stopped && broken === null) {
        this.kicked = false;
        leads ||= await this.takeLock(client);
        if (leads) {
          // The lock is this connection's: one that no longer answers leads nothing.
          await client.query('SELECT 1');
          await this.tick();
        }
        if (!this.kicked) await this.pause(this.options.pollMilliseconds);
      }
      if (broken !== null) throw broken as Error;
    } finally {
      clearInterval(alive);
      await client.end().catch(() => undefined);
    }
  }

  private async takeLock(client: pg.Client): Promise<boolean> {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [
      this.options.lock,
    ]);
    const taken = rows[0]?.taken ?? false;
    if (taken) this.options.log?.info({}, `${this.options.name}: leads`);
    return taken;
  }

  private async tick(): Promise<void> {
    try {
      await this.options.tick();
    } catch (error) {
      this.options.log?.warn({ error: String(error) }, `${this.options.name}: will try again`);
    }
  }

  private pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.wake = null;
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.wake = done;
      if (this.kicked) done();
    });
  }
}
