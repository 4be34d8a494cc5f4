import { exportFormats } from '@ferment/contracts';
import path from 'node:path';
import { temporaryFolder } from '../../../../test/support/services.js';
import {
  Attempts,
  connectDatabase,
  Curves,
  Experiments,
  folderStore,
  Jobs,
  migrate,
  startEmbeddedPostgres,
  Workers,
  type ArtifactStore,
  type Claim,
  type Database,
  type EmbeddedPostgres,
} from '../../src/index.js';

/** A real database of this suite's own, with what works on it. */
export interface Installation {
  folder: string;
  /** May be stopped and replaced by one on the same port. */
  postgres: EmbeddedPostgres;
  database: Database;
  experiments: Experiments;
  jobs: Jobs;
  attempts: Attempts;
  store: ArtifactStore;
  curves: Curves;
  workers: Workers;
  /** What the dispatcher does, without a queue: offers one job to `worker` and claims it. */
  take(jobId: string, worker?: string): Promise<Claim>;
  /** Finishes a claimed job with outputs of its own. */
  finish(claim: Claim, result?: unknown): Promise<void>;
  stop(): Promise<void>;
}

export async function startInstallation(): Promise<Installation> {
  const { path: folder, remove } = await temporaryFolder('ferment-platform-');
  const log = { info: () => undefined, warn: () => undefined };
  const postgres = await startEmbeddedPostgres({ folder: path.join(folder, 'postgres'), log });
  await migrate(postgres.url);
  const database = await connectDatabase(postgres.url);
  const store = folderStore(path.join(folder, 'artifacts'));
  const attempts = new Attempts(database, { backOffMilliseconds: 20, store });
  const workers = new Workers(database);
  await workers.register({ id: 'worker-1', host: 'here', pid: 1, slots: { cpu: 2, light: 1 } });

  const installation: Installation = {
    folder,
    postgres,
    database,
    experiments: new Experiments(database),
    jobs: new Jobs(database),
    attempts,
    store,
    curves: new Curves(database, store),
    workers,
    async take(jobId, worker = 'worker-1') {
      const attempt = await offer(database, jobId);
      const claim = await attempts.claim({ jobId, attempt }, { id: worker });
      if (!claim) throw new Error(`job ${jobId} could not be claimed`);
      return claim;
    },
    async finish(claim, result = {}) {
      const roles = outputsOf[claim.kind] ?? [];
      const outputs = Object.fromEntries(
        roles.map((role) => [role, { hash: hashFor(claim.jobId, role), bytes: 10 }]),
      );
      const done = await attempts.complete(claim.jobId, claim.attempt, { outputs, result });
      if (!done) throw new Error(`attempt ${claim.attempt} at ${claim.jobId} is not the running one`);
    },
    async stop() {
      await database.close();
      await installation.postgres.stop();
      await remove();
    },
  };
  return installation;
}

const outputsOf: Record<string, string[]> = {
  import: ['dataset'],
  train: ['best', 'last'],
  distill: ['best', 'last'],
  evaluate: ['metrics', 'logits'],
  export: [...exportFormats],
  ablation: ['table'],
};

/** Marks a ready job as handed to a queue; the attempt number that a message would carry. */
export async function offer(database: Database, jobId: string): Promise<number> {
  const { rows } = await database.pool.query<{ attempt: number }>(
    `UPDATE job SET attempt = attempt + 1, queued_at = now() WHERE id = $1 AND state = 'ready' RETURNING attempt`,
    [jobId],
  );
  const attempt = rows[0]?.attempt;
  if (attempt === undefined) throw new Error(`job ${jobId} is not ready`);
  return attempt;
}

/** A hash that is different for every job and role, and the same each time. */
export function hashFor(jobId: string, role: string): string {
  return Buffer.from(`${jobId.replaceAll('-', '')}${role}`.padEnd(64, '0').slice(0, 64))
    .toString('hex')
    .slice(24, 88);
}
