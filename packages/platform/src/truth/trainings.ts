import { trainingKinds } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';

/** Counts an experiment's trainings anew, whose plan grows: of all trials, after sharing, and found finished. */
export async function countTrainings(tx: Queryable, experimentId: string): Promise<void> {
  await tx.query(
    `UPDATE experiment SET trainings_planned = d.planned, trainings_cached = d.cached, trainings_without_sharing = r.roles
     FROM (SELECT count(*)::int AS planned, count(*) FILTER (WHERE d.cached)::int AS cached
           FROM demand d JOIN job j ON j.id = d.job_id WHERE d.experiment_id = $1 AND j.kind = ANY($2)) d,
       (SELECT count(*)::int AS roles FROM trial t JOIN trial_job r ON r.trial_id = t.id JOIN job j ON j.id = r.job_id
        WHERE t.experiment_id = $1 AND j.kind = ANY($2)) r
     WHERE id = $1`,
    [experimentId, [...trainingKinds]],
  );
}
