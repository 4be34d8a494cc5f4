import type { Logger } from '../log.js';
import type { Database } from '../postgres/database.js';
import type { ArtifactStore } from '../store/artifact-store.js';
import { compactCurve, dueCurves, type CompactionDue } from './compaction.js';
import { Curves } from './curves.js';
import { Leader } from './leader.js';

export interface CompactorOptions extends Partial<CompactionDue> {
  store: ArtifactStore;
  log?: Pick<Logger, 'info' | 'warn'>;
  /** Time between two looks (default 15 s). */
  pollMilliseconds?: number;
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
 * Moves curves out of the database into columnar files, one job after another: those of jobs that have ended, and the
 * older part of long ones that still grow.
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
    const due = await dueCurves(this.database.pool, { ...defaults, ...this.options });
    for (const curve of due) {
      if (this.stopped) return;
      try {
        await compactCurve(this.database, this.options.store, this.curves, curve);
      } catch (error) {
        this.options.log?.warn({ ...curve, error: String(error) }, 'a curve stays in the database for now');
      }
    }
  }
}
