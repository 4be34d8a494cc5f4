import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ArtifactCache } from '../src/artifact-cache.js';
import { ChildPool } from '../src/children/pool.js';
import { JobRunner } from '../src/job-runner.js';
import { ThreadRoom, type Room } from '../src/room.js';
import type { Tally } from '../src/figures.js';
import type { Claim, Log } from '../src/truth.js';
import { temporaryFolder } from '../../../test/support/services.js';
import { childModule, MemoryStore, RecordingTruth, silent } from './support.js';

/** A worker without queue and database: real children, real files, a truth that records. */
export interface Rig {
  truth: RecordingTruth;
  store: MemoryStore;
  pool: ChildPool;
  cache: ArtifactCache;
  runner: JobRunner;
  folder: string;
  /** Delivers a claim, as the queue would. */
  deliver(claim: Claim, threads?: number): Promise<void>;
  close(): Promise<void>;
}

export async function startRig(
  options: { heartbeatSeconds?: number; cacheBytes?: number; tally?: Tally; log?: Log; room?: Room } = {},
): Promise<Rig> {
  const temporary = await temporaryFolder();
  const folder = temporary.path;
  await mkdir(join(folder, 'cache'));
  const truth = new RecordingTruth();
  const store = new MemoryStore();
  const pool = new ChildPool({ module: childModule, environment: process.env, idle: 2 });
  const cache = new ArtifactCache(join(folder, 'cache'), options.cacheBytes ?? 1e9, store);
  const runner = new JobRunner({
    truth,
    store,
    pool,
    workerId: 'test',
    cache,
    folder: join(folder, 'work'),
    log: options.log ?? silent,
    ...(options.tally && { tally: options.tally }),
    room: options.room ?? new ThreadRoom(2),
    light: 1,
    heartbeatSeconds: options.heartbeatSeconds ?? 0.05,
  });
  runner.leases.start();
  return {
    truth,
    store,
    pool,
    cache,
    runner,
    folder,
    async deliver(claim, threads = 1) {
      truth.claims.push(claim);
      await runner.run('cpu', { jobId: claim.jobId, attempt: claim.attempt, threads, memory: null });
    },
    async close() {
      await runner.close(2);
      await temporary.remove();
    },
  };
}
