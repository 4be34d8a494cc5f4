import { trainingKinds, type CheckpointItem, type JobItem, type PlannedJob } from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import { revive } from './experiment-create.js';
import { rerunProducers } from './failure.js';
import { changeGraph } from './graph.js';
import { ensureJobs, unfinishedBehind } from './job-insert.js';
import { jobItems } from './job-views.js';

/** Jobs, whichever experiments share them. */
export class Jobs {
  constructor(private readonly database: Database) {}

  /** Null when there is none of this id; so with the other questions. */
  async get(id: string): Promise<JobItem | null> {
    const [item] = await jobItems(this.database, { id });
    return item ?? null;
  }

  /**
   * Asks for a job that no experiment's plan holds: an import, a table, a reviewed refinement. One with this key that
   * exists is shared; one that failed for a passing reason, or was cancelled, is tried again. So are the jobs behind
   * its inputs, which must be stored already.
   */
  submit(job: PlannedJob): Promise<{ id: string; created: boolean }> {
    return changeGraph(this.database, async (graph) => {
      const before = await graph.tx.query('SELECT FROM job WHERE key = $1', [job.key]);
      const known = (await ensureJobs(graph.tx, [job], true)).get(job.key);
      if (!known) throw new Error(`job ${job.key} was not stored`);
      const wanted = await unfinishedBehind(graph.tx, known.id);
      const ids = wanted.map(({ id }) => id);
      await graph.tx.query('UPDATE job SET standalone = true WHERE id = ANY($1) AND NOT standalone', [ids]);
      await revive(graph, wanted);
      await graph.refresh(ids);
      graph.touch(ids);
      return { id: known.id, created: before.rowCount === 0 };
    });
  }

  /** What a job was asked for, as a plan says it; null when there is none of this id. */
  async recipe(id: string): Promise<Pick<PlannedJob, 'kind' | 'params' | 'inputs'> | null> {
    const { rows } = await this.database.pool.query<Pick<PlannedJob, 'kind' | 'params' | 'inputs'>>(
      `SELECT j.kind, j.params, coalesce((
         SELECT json_agg(json_build_object('role', d.role, 'position', d.position, 'from', f.key, 'output', d.output)
           ORDER BY d.role, d.position)
         FROM job_dependency d JOIN job f ON f.id = d.from_job_id WHERE d.job_id = j.id), '[]') AS inputs
       FROM job j WHERE j.id = $1`,
      [id],
    );
    return rows[0] ?? null;
  }

  /**
   * An artifact's bytes in the store are gone or are not those of its hash: the finished jobs that made it run again,
   * whatever their kind, and what waits for it waits again. Nothing happens for a hash no job made; calling it again
   * while they run changes nothing. Take the bytes out of use first (`ArtifactStore.quarantine`), and never call
   * it because the store did not answer.
   */
  artifactCorrupt(hash: string): Promise<void> {
    return changeGraph(this.database, (graph) => rerunProducers(graph, hash));
  }

  /** Whether some job made this artifact as one of its outputs, and so can make it again. */
  async makes(hash: string): Promise<boolean> {
    return (await this.database.prisma.jobOutput.count({ where: { hash } })) > 0;
  }

  /**
   * This installation's newest trainings: the work of each, and the time of all its attempts, lost and handed-back ones
   * included, over the times that it was finished.
   */
  async pastTrainings(): Promise<{ macs: number; images: number; seconds: number }[]> {
    const { rows } = await this.database.pool.query<{ macs: number; images: number; seconds: number }>(
      `SELECT j.macs, j.images, (a.seconds / a.successes)::float8 AS seconds
       FROM (SELECT id, cost_macs AS macs, coalesce(cost_images, 0) AS images FROM job
             WHERE kind = ANY($1) AND state = 'succeeded' AND cost_macs > 0
             ORDER BY ended_at DESC LIMIT 200) j
       JOIN LATERAL (
         SELECT sum(extract(epoch FROM ended_at - started_at)) AS seconds,
           count(*) FILTER (WHERE state = 'succeeded') AS successes
         FROM attempt WHERE job_id = j.id AND ended_at IS NOT NULL) a ON a.successes > 0`,
      [[...trainingKinds]],
    );
    return rows;
  }

  /** Resumable states that are kept, newest step first: the newest of a job that has not succeeded. */
  async checkpoints(jobId: string): Promise<CheckpointItem[] | null> {
    if (!(await this.exists(jobId))) return null;
    const rows = await this.database.prisma.checkpoint.findMany({
      where: { jobId },
      include: { artifact: true },
      orderBy: [{ step: 'desc' }, { attempt: 'desc' }],
    });
    return rows.map(({ attempt, step, epoch, hash, artifact, createdAt }) => ({
      jobId,
      attempt,
      step,
      epoch,
      hash,
      bytes: Number(artifact.bytes),
      createdAt: createdAt.toISOString(),
    }));
  }

  private async exists(id: string): Promise<boolean> {
    return (await this.database.prisma.job.count({ where: { id } })) > 0;
  }
}
