import {
  attemptTransitions,
  demandTransitions,
  type AttemptState,
  type ChangeExperiment,
  type DemandState,
} from '@ferment/contracts';
import { gibibyte } from '../memory.js';
import type { Database, Queryable } from '../postgres/database.js';
import { Conflict } from './errors.js';
import { changeGraph, type Graph } from './graph.js';
import { startAnew } from './experiment-create.js';
import { statesBefore } from './transitions.js';

/**
 * Withdraws the experiment's demands. Its trials that have not ended are cancelled for good; jobs that nothing else
 * wants are cancelled at once, running attempts with them (their worker hears it with its next heartbeat).
 *
 * An experiment that has ended stays as it is.
 *
 * @returns false when there is none of this id; so with the other changes
 */
export function cancelExperiment(database: Database, id: string): Promise<boolean> {
  return changeGraph(database, async (graph) => {
    const { tx } = graph;
    const experiment = await find(tx, id);
    if (!experiment || experiment.ended) return experiment !== null;
    const reason = 'the experiment was cancelled';
    const trials = await tx.query<{ id: string }>(
      `UPDATE trial SET state = 'cancelled', reason = $2
       WHERE experiment_id = $1 AND state IN ('waiting', 'running', 'paused') RETURNING id`,
      [id, reason],
    );
    for (const trial of trials.rows) {
      graph.tell(
        { type: 'trial.changed', state: 'cancelled', reason },
        { experimentId: id, trialId: trial.id },
      );
    }
    await tx.query(`UPDATE study SET state = 'cancelled' WHERE experiment_id = $1 AND state = 'open'`, [id]);
    await moveDemands(tx, id, statesBefore<DemandState>(demandTransitions, 'withdrawn'), 'withdrawn');
    await cancelUnwanted(graph, id);
    await tx.query(
      'UPDATE experiment SET cancelled_at = now(), table_wanted = table_wanted + 1 WHERE id = $1',
      [id],
    );
    await demandsChanged(graph, id);
    return true;
  });
}

/** Jobs of the experiment that no other one has a demand for, and the attempts at them, end. */
async function cancelUnwanted(graph: Graph, id: string): Promise<void> {
  const { tx } = graph;
  const unwanted = await tx.query<{ id: string }>(
    `SELECT j.id FROM demand d JOIN job j ON j.id = d.job_id
     WHERE d.experiment_id = $1 AND j.state IN ('pending', 'ready', 'running', 'blocked') AND NOT j.standalone
       AND NOT EXISTS (SELECT FROM demand o WHERE o.job_id = j.id AND o.state <> 'withdrawn')`,
    [id],
  );
  const ids = unwanted.rows.map((row) => row.id);
  const stopped = await tx.query<{ jobId: string; number: number }>(
    `UPDATE attempt SET state = 'cancelled', ended_at = now(), reason = 'no experiment wants the job any more'
     WHERE job_id = ANY($1) AND state = ANY($2) RETURNING job_id AS "jobId", number`,
    [ids, statesBefore<AttemptState>(attemptTransitions, 'cancelled')],
  );
  for (const { jobId, number } of stopped.rows) {
    graph.tell(
      { type: 'attempt.changed', state: 'cancelled', attempt: number, failureClass: null, reason: null },
      { jobId },
    );
  }
  await graph.move(ids, ['pending', 'ready', 'running', 'blocked'], 'cancelled', { reason: 'cancelled' });
}

/**
 * Pauses the experiment's demands: jobs that no other experiment wants are not begun, and those that run write a
 * checkpoint and stop (their worker hears it with its next heartbeat). Jobs that others want go on, and count here too.
 *
 * @throws Conflict when it was cancelled; one that is paused or has ended stays as it is
 */
export function pauseExperiment(database: Database, id: string): Promise<boolean> {
  return changeGraph(database, async (graph) => {
    const experiment = await find(graph.tx, id);
    if (!experiment) return false;
    if (experiment.cancelled) throw new Conflict('The experiment was cancelled: there is nothing to pause.');
    if (experiment.ended || experiment.paused) return true;
    await graph.tx.query('UPDATE experiment SET paused_at = now() WHERE id = $1', [id]);
    await moveDemands(graph.tx, id, ['wanted'], 'paused');
    await demandsChanged(graph, id);
    return true;
  });
}

/**
 * Takes a pause back.
 *
 * @throws Conflict when the experiment was cancelled; one that is not paused stays as it is
 */
export function resumeExperiment(database: Database, id: string): Promise<boolean> {
  return changeGraph(database, async (graph) => {
    const experiment = await find(graph.tx, id);
    if (!experiment) return false;
    if (experiment.cancelled) {
      throw new Conflict(
        'The experiment was cancelled and stays so: submit its spec again, what was finished is used again.',
      );
    }
    if (!experiment.paused) return true;
    await graph.tx.query('UPDATE experiment SET paused_at = NULL WHERE id = $1', [id]);
    await studyDue(graph.tx, id);
    await moveDemands(graph.tx, id, ['paused'], 'wanted');
    await demandsChanged(graph, id);
    return true;
  });
}

/** A search is looked at: what it may do may have changed. */
async function studyDue(tx: Queryable, id: string): Promise<void> {
  await tx.query('UPDATE study SET wanted = wanted + 1 WHERE experiment_id = $1', [id]);
}

/** The states and counters of this experiment, and of those that share its jobs, follow. */
async function demandsChanged(graph: Graph, id: string): Promise<void> {
  const { rows } = await graph.tx.query<{ job: string }>(
    'SELECT job_id AS job FROM demand WHERE experiment_id = $1',
    [id],
  );
  graph.touch(rows.map(({ job }) => job));
  graph.countAnew(id);
}

async function moveDemands(
  tx: Queryable,
  experimentId: string,
  from: readonly DemandState[],
  to: DemandState,
): Promise<void> {
  await tx.query(`UPDATE demand SET state = $3 WHERE experiment_id = $1 AND state = ANY($2)`, [
    experimentId,
    from,
    to,
  ]);
}

/** Changes how an experiment is worked on and where it is listed. What waits is handed out by the new terms at once. */
export function changeSettings(database: Database, id: string, change: ChangeExperiment): Promise<boolean> {
  return changeGraph(database, async (graph) => {
    const { rowCount } = await graph.tx.query(
      `UPDATE experiment SET description = coalesce($2, description), tags = coalesce($3, tags),
         archived_at = CASE WHEN $4 THEN coalesce(archived_at, now()) WHEN NOT $4 THEN NULL ELSE archived_at END,
         priority = coalesce($5, priority),
         parallel = CASE WHEN $6 THEN $7 ELSE parallel END,
         timeout_minutes = CASE WHEN $8 THEN $9 ELSE timeout_minutes END,
         memory = CASE WHEN $10 THEN $11 ELSE memory END WHERE id = $1`,
      [
        id,
        change.description ?? null,
        change.tags ?? null,
        change.archived ?? null,
        change.priority ?? null,
        change.parallel !== undefined,
        change.parallel ?? null,
        change.timeout !== undefined,
        change.timeout ?? null,
        change.memory !== undefined,
        change.memory ? change.memory * gibibyte : null,
      ],
    );
    if (rowCount !== 1) return false;
    if (change.parallel !== undefined) await studyDue(graph.tx, id);
    if ([change.priority, change.parallel, change.memory].some((term) => term !== undefined)) {
      // What lies in the queue unclaimed was chosen by the old terms.
      await graph.tx.query(
        `UPDATE job SET queued_at = NULL WHERE state = 'ready' AND queued_at IS NOT NULL AND NOT standalone`,
      );
    }
    graph.countAnew(id);
    return true;
  });
}

/**
 * Forgets an experiment that has ended, its trials with it. Its jobs and their files stay for others to use until they
 * are collected.
 *
 * @throws Conflict when it has not ended
 */
export function deleteExperiment(database: Database, id: string): Promise<boolean> {
  return changeGraph(database, async (graph) => {
    const experiment = await find(graph.tx, id);
    if (!experiment) return false;
    if (!experiment.ended) {
      throw new Conflict(`The experiment is ${experiment.state}: cancel it first, then delete it.`);
    }
    await graph.tx.query('DELETE FROM experiment WHERE id = $1', [id]);
    graph.tell({ type: 'experiment.deleted', name: experiment.name }, { experimentId: id });
    return true;
  });
}

/**
 * Tries the failed jobs behind a trial again, whatever they failed of; what waited for them goes on when they succeed.
 * A trial that has not failed stays as it is.
 *
 * @returns false when there is none of this id
 * @throws Conflict when its experiment was cancelled
 */
export function retryTrial(database: Database, id: string): Promise<boolean> {
  return changeGraph(database, async (graph) => {
    const { rows } = await graph.tx.query<{ cancelled: boolean }>(
      `SELECT e.cancelled_at IS NOT NULL AS cancelled FROM trial t JOIN experiment e ON e.id = t.experiment_id
       WHERE t.id = $1`,
      [id],
    );
    const [trial] = rows;
    if (!trial) return false;
    if (trial.cancelled) {
      throw new Conflict(
        'Its experiment was cancelled: submit the spec again, what was finished is used again.',
      );
    }
    const failed = await graph.tx.query<{ id: string }>(
      `WITH RECURSIVE behind AS (
         SELECT job_id AS id FROM trial_job WHERE trial_id = $1
         UNION
         SELECT d.from_job_id FROM behind b JOIN job_dependency d ON d.job_id = b.id)
       SELECT j.id FROM behind b JOIN job j ON j.id = b.id WHERE j.state = 'failed'`,
      [id],
    );
    const ids = failed.rows.map((job) => job.id);
    await startAnew(graph, ids, 'failed');
    await graph.refresh(ids);
    return true;
  });
}

interface Found {
  name: string;
  state: string;
  ended: boolean;
  paused: boolean;
  cancelled: boolean;
}

async function find(tx: Queryable, id: string): Promise<Found | null> {
  const { rows } = await tx.query<Found>(
    `SELECT name, state, ended_at IS NOT NULL AS ended, paused_at IS NOT NULL AS paused,
       cancelled_at IS NOT NULL AS cancelled FROM experiment WHERE id = $1`,
    [id],
  );
  return rows[0] ?? null;
}
