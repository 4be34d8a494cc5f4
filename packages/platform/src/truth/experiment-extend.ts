import type { ExperimentSpec, Plan } from '@ferment/contracts';
import type { Database, Queryable } from '../postgres/database.js';
import { Conflict, NotFound } from './errors.js';
import { begin, insertDemands, insertTrials, trainingsOf, variantsOf } from './experiment-create.js';
import { changeGraph } from './graph.js';
import { ensureJobs } from './job-insert.js';

/**
 * Adds the trials of a plan that an experiment does not have, with their jobs; its spec is then the new one. All that
 * it has stays as it is and must be part of the plan, so that no result silently means something else.
 *
 * @throws NotFound for an unknown experiment; Conflict when it was cancelled, or when a trial that it has is missing
 *   from the plan or would be other work
 */
export function extendExperiment(
  database: Database,
  id: string,
  spec: ExperimentSpec,
  plan: Plan,
): Promise<void> {
  return changeGraph(database, async (graph) => {
    const { tx } = graph;
    await assertExtendable(tx, id);
    const present = await trialsOf(tx, id);
    const planned = new Map(plan.trials.map((trial) => [placeOf(trial), trial]));
    for (const trial of present) {
      const same = planned.get(placeOf(trial));
      if (!same || !sameJobs(same.jobs, trial.jobs)) {
        throw new Conflict(
          `Extending adds trials and changes none, but ${trial.variant} with seed ${trial.seed} would be other work ` +
            'now (a newer version computes it otherwise, or its description was changed): submit the spec as a new experiment.',
        );
      }
    }
    const have = new Set(present.map(placeOf));
    const known = await ensureJobs(tx, plan.jobs);
    await insertDemands(tx, id, plan.jobs, known);
    await insertTrials(
      tx,
      id,
      plan.trials.filter((trial) => !have.has(placeOf(trial))),
      known,
    );
    const { trainings, withoutSharing } = trainingsOf(plan);
    await tx.query(
      `UPDATE experiment SET spec = $2, spec_text = NULL, spec_hash = $3, variants = $4, fixed_stages = $5, warnings = $6,
         trainings_without_sharing = $7, trainings_planned = $8, table_wanted = table_wanted + 1 WHERE id = $1`,
      [
        id,
        JSON.stringify(spec),
        plan.specHash,
        variantsOf(plan),
        plan.fixedStages,
        plan.warnings,
        withoutSharing,
        trainings.length,
      ],
    );
    await begin(graph, id, known);
  });
}

/**
 * Gives a search its longer spec: what it has stays, and it goes on.
 *
 * @param from hash of the spec that was made longer: of two who do so at once, the second is told
 * @throws NotFound for an unknown experiment; Conflict when it was cancelled or extended meanwhile
 */
export function extendStudy(
  database: Database,
  id: string,
  spec: ExperimentSpec,
  plan: Pick<Plan, 'specHash' | 'warnings'>,
  from: string,
): Promise<void> {
  return changeGraph(database, async (graph) => {
    await assertExtendable(graph.tx, id);
    const { rowCount } = await graph.tx.query(
      'UPDATE experiment SET spec = $2, spec_text = NULL, spec_hash = $3, warnings = $4 WHERE id = $1 AND spec_hash = $5',
      [id, JSON.stringify(spec), plan.specHash, plan.warnings, from],
    );
    if (rowCount === 0)
      throw new Conflict('The experiment was extended meanwhile: look at what it has now, and ask again.');
    await graph.tx.query(`UPDATE study SET state = 'open', wanted = wanted + 1 WHERE experiment_id = $1`, [
      id,
    ]);
    graph.countAnew(id);
  });
}

async function assertExtendable(tx: Queryable, id: string): Promise<void> {
  const { rows } = await tx.query<{ cancelled: boolean }>(
    'SELECT cancelled_at IS NOT NULL AS cancelled FROM experiment WHERE id = $1',
    [id],
  );
  if (!rows[0]) throw new NotFound('no such experiment');
  if (!rows[0].cancelled) return;
  throw new Conflict(
    'The experiment was cancelled: submit the larger spec, what was finished is used again.',
  );
}

interface PresentTrial {
  variant: string;
  seed: number;
  fold: number | null;
  /** Role to key. */
  jobs: Record<string, string>;
}

async function trialsOf(tx: Queryable, experimentId: string): Promise<PresentTrial[]> {
  const { rows } = await tx.query<PresentTrial>(
    `SELECT t.variant, t.seed, t.fold, json_object_agg(r.role, j.key) AS jobs
     FROM trial t JOIN trial_job r ON r.trial_id = t.id JOIN job j ON j.id = r.job_id
     WHERE t.experiment_id = $1 GROUP BY t.id ORDER BY t.position`,
    [experimentId],
  );
  return rows;
}

function placeOf({ variant, seed, fold }: Pick<PresentTrial, 'variant' | 'seed' | 'fold'>): string {
  return JSON.stringify([variant, seed, fold]);
}

function sameJobs(planned: Readonly<Record<string, string>>, present: Record<string, string>): boolean {
  const roles = Object.keys(planned);
  return (
    roles.length === Object.keys(present).length && roles.every((role) => planned[role] === present[role])
  );
}
