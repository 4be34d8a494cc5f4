import type { Logger } from '../log.js';
import type { Database } from '../postgres/database.js';
import type { ArtifactStore } from '../store/artifact-store.js';
import { compactCurve, dueCurves, type CompactionDue } from './compaction.js';
import { archiveLog, dueLogs } from './attempt-logs.js';
import { Curves } from './curves.js';
import { Leader } from './leader.js';

export interface CompactorOptions extends Partial<CompactionDue> {
  store: ArtifactStore;
  log?: Pick<Logger, 'info' | 'warn'>;
  /** Time between two looks (default 15 s). */
  pollMilliseconds?: number;
  /** After its end an attempt's log stays as rows for `succeededSeconds`, or this long where nobody closed it (10 min). */
  lateSeconds?: number;
}

/**
 * Live readers have a chunk long before it is 30 s old. Failed and cancelled jobs are often tried again. 512 KiB are
 * some 3,000 rows, which take a reader as long as a file of 10,000.
 */
const defaults: CompactionDue = {
  succeededSeconds: 30,
  endedSeconds: 3600,
  settledSeconds: 30,
  settledBytes: 512 * 1024,
};

const compactorLock = 0x0fe7_0010;

/**
 * Moves out of the database what only grows: curves into columnar files, one job after another, those of jobs that have
 * ended and the older part of long ones; logs of ended attempts.
 *
 * It runs in the API under a lock rather than as jobs of the workers: it is a few milliseconds of work for a curve, is
 * nobody's experiment, and must go on where no worker is.
 */
export class Compactor {
  private readonly leader: Leader;
  private readonly curves: Curves;
  private stopped = false;

  constructor(
    private readonly database: Database,
    private readonly options: CompactorOptions,
  ) {
    this.curves = new Curves(database, options.store, { keptBytes: 0 });
    this.leader = new Leader({
      url: database.url,
      lock: compactorLock,
      pollMilliseconds: options.pollMilliseconds ?? 15_000,
      wakes: false,
      log: options.log,
      name: 'compactor',
      tick: () => this.tick(),
    });
  }

  start(): void {
    this.leader.start();
  }

  stop(): Promise<void> {
    this.stopped = true;
    return this.leader.stop();
  }

  private async tick(): Promise<void> {
    const { store } = this.options;
    const settings = { ...defaults, lateSeconds: 600, ...this.options };
    for (const curve of await dueCurves(this.database.pool, settings))
      await this.attend('a curve', curve, () => compactCurve(this.database, store, this.curves, curve));
    const { succeededSeconds: settledSeconds, lateSeconds } = settings;
    for (const log of await dueLogs(this.database.pool, { settledSeconds, lateSeconds }))
      await this.attend('a log', log, () => archiveLog(this.database, store, log));
  }

  /** What fails stays where it is, and is met again by the next look. */
  private async attend(what: string, names: object, move: () => Promise<boolean>): Promise<void> {
    if (this.stopped) return;
    try {
      await move();
    } catch (error) {
      this.options.log?.warn({ ...names, error: String(error) }, `${what} stays in the database for now`);
    }
  }
}
