import { jobCatalog, type FailureClass, type JobEntry, type JobKind } from '@ferment/contracts';
import type { Graph } from './graph.js';
import { namedFile } from './references.js';

export interface Failure {
  failureClass: FailureClass;
  /** One sentence for people. */
  reason: string;
  /** `corruptArtifact`: the hash of an input whose bytes were not its own. */
  details?: Record<string, unknown>;
}

interface EndedAttempt {
  jobId: string;
  attempt: number;
  kind: JobKind;
}

const longestBackOff = 5 * 60_000;

/** Column that counts a class's failures; classes without one are not tried again. */
const counters: Partial<Record<FailureClass, string>> = {
  transient: 'transient_failures',
  resource: 'resource_failures',
  lost: 'lost_attempts',
};

/** What follows for the job from an attempt that has just ended with a failure. */
export async function failAttempt(
  graph: Graph,
  { jobId, attempt, kind }: EndedAttempt,
  failure: Failure,
  backOff: number,
): Promise<void> {
  const { failureClass, reason } = failure;
  const state = failureClass === 'lost' ? 'lost' : 'failed';
  graph.tell({ type: 'attempt.changed', state, attempt, failureClass, reason }, { jobId });
  const corrupt = failure.details?.['corruptArtifact'];
  if (typeof corrupt === 'string') {
    const replaced = await replaceInput(graph, jobId, corrupt);
    if (replaced === 'own') {
      // The job did nothing wrong: it waits for the good bytes, and its own budget is not touched.
      await returnToReady(graph, jobId, delayBefore(1, backOff), { reason, failureClass });
      await graph.refresh([jobId]);
      return;
    }
    if (replaced === 'nobody') {
      // Trying again finds the same; whoever sends the file in and asks again is not held to this failure.
      const told = `the file ${corrupt} is damaged or gone and no job can make it again: upload it once more`;
      await graph.move([jobId], ['running'], 'failed', { reason: told, failureClass });
      return;
    }
  }
  const failures = await countFailure(graph, jobId, failureClass);
  const entry: JobEntry = jobCatalog[kind];
  const retry: Partial<Record<FailureClass, number>> = entry.retry;
  const allowed = retry[failureClass] ?? 0;
  if (failures > allowed) {
    await graph.move([jobId], ['running'], 'failed', { reason, failureClass });
    return;
  }
  const wait = failureClass === 'transient' ? delayBefore(failures, backOff) : null;
  await returnToReady(graph, jobId, wait, { reason, failureClass });
}

/**
 * Has a corrupt artifact made again. `own`: the job then has something to wait for (an input of its own, under way
 * again) or nothing to trip over any more (a checkpoint of its own, forgotten). `other`: the job names it in its
 * parameters only, or it is no longer there: it would not wait, so that failure counts. `nobody`: an uploaded file.
 */
async function replaceInput(graph: Graph, jobId: string, hash: string): Promise<'own' | 'other' | 'nobody'> {
  const { rows } = await graph.tx.query<{ own: boolean; upload: boolean }>(
    `SELECT EXISTS (SELECT FROM checkpoint WHERE job_id = $1 AND hash = $2) OR EXISTS (
       SELECT FROM job_dependency d JOIN job_output o ON o.job_id = d.from_job_id AND o.role = d.output
       WHERE d.job_id = $1 AND o.hash = $2) AS own, NOT EXISTS (SELECT FROM job_output WHERE hash = $2)
       AND EXISTS (SELECT FROM job f WHERE f.id = $1 AND ${namedFile('f')} = $2) AS upload`,
    [jobId, hash],
  );
  await rerunProducers(graph, hash);
  if (rows[0]?.own === true) return 'own';
  return rows[0]?.upload === true ? 'nobody' : 'other';
}

/** Exponential with full jitter over its upper half: failures of one cause do not come back together. */
export function delayBefore(failures: number, first: number): number {
  const longest = Math.min(longestBackOff, first * 2 ** (failures - 1));
  return longest * (0.5 + Math.random() / 2);
}

/** A running job waits for its next attempt, unless nobody wants it any more. */
export async function returnToReady(
  graph: Graph,
  jobId: string,
  delay: number | null,
  fields: { reason: string; failureClass: FailureClass } | null = null,
): Promise<void> {
  await graph.move([jobId], ['running'], 'ready', { ...fields, notBefore: delay });
}

/**
 * An artifact's bytes are not what its name says: every finished job that made it runs again, and what waited with it
 * as an input waits again (jobs that finished from the good bytes stay as they are). A checkpoint is forgotten.
 */
export async function rerunProducers(graph: Graph, hash: string): Promise<void> {
  const { rows } = await graph.tx.query<{ id: string }>(
    `SELECT j.id FROM job_output o JOIN job j ON j.id = o.job_id WHERE o.hash = $1 AND j.state = 'succeeded'`,
    [hash],
  );
  const producers = rows.map(({ id }) => id);
  await graph.move(producers, ['succeeded'], 'ready', {
    reason: `its output ${hash.slice(0, 12)} was found corrupt`,
  });
  // Their own inputs may be on their way again already.
  await graph.refresh(producers);
  await graph.tx.query('DELETE FROM checkpoint WHERE hash = $1', [hash]);
}

async function countFailure(graph: Graph, jobId: string, failureClass: FailureClass): Promise<number> {
  const column = counters[failureClass];
  if (column === undefined) return 1;
  const { rows } = await graph.tx.query<{ n: number }>(
    `UPDATE job SET ${column} = ${column} + 1 WHERE id = $1 RETURNING ${column} AS n`,
    [jobId],
  );
  return rows[0]?.n ?? 1;
}
