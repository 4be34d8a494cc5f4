import type { Logger } from '../log.js';
import type { Database } from '../postgres/database.js';
import type { ArtifactStore } from '../store/artifact-store.js';
import { compactCurve, endedCurves } from './compaction.js';
import { Curves } from './curves.js';
import { Leader } from './leader.js';

export interface CompactorOptions {
  store: ArtifactStore;
  log?: Pick<Logger, 'info' | 'warn'>;
  /** Time between two looks (default 15 s). */
  pollMilliseconds?: number;
  /** How long after its success a job's curve stays as it came (default 30 s): most live readers have it by then. */
  succeededSeconds?: number;
  /** The same for failed and cancelled jobs (default 1 hour), which are often tried again. */
  endedSeconds?: number;
}

const compactorLock = 0x0fe7_0010;

/**
 * Moves curves of jobs that have ended out of the database into columnar files, one job after another.
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
    const { succeededSeconds = 30, endedSeconds = 3600 } = this.options;
    const due = await endedCurves(this.database.pool, succeededSeconds, endedSeconds);
    for (const jobId of due) {
      if (this.stopped) return;
      try {
        await compactCurve(this.database, this.options.store, this.curves, jobId);
      } catch (error) {
        this.options.log?.warn({ jobId, error: String(error) }, 'a curve stays in the database for now');
      }
    }
  }
}
