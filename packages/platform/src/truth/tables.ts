import type { JobParams } from '@ferment/contracts';
import type { Graph } from './graph.js';

/** Links the job that computes an experiment's table, and sets the table where that job has succeeded already. */
export async function linkTable(graph: Graph, experimentId: string, jobId: string): Promise<void> {
  await graph.tx.query('UPDATE experiment SET table_job_id = $2 WHERE id = $1', [experimentId, jobId]);
  await publishTable(graph, jobId);
}

/** Sets the table of every experiment that is linked to this `ablation` job, if the job has succeeded. */
export async function publishTable(graph: Graph, jobId: string): Promise<void> {
  const { rows } = await graph.tx.query<{ hash: string; params: JobParams<'ablation'> }>(
    `SELECT o.hash, j.params FROM job j JOIN job_output o ON o.job_id = j.id AND o.role = 'table'
     WHERE j.id = $1 AND j.state = 'succeeded'`,
    [jobId],
  );
  const table = rows[0];
  if (!table) return;
  const ended = table.params.trials.every(({ state }) => state !== 'unfinished');
  const changed = await graph.tx.query<{ id: string; complete: boolean }>(
    `UPDATE experiment e SET table_hash = $2, table_complete = c.complete
     FROM (SELECT id, $3 AND NOT EXISTS (SELECT FROM study s WHERE s.experiment_id = experiment.id AND s.state = 'open')
             AS complete FROM experiment WHERE table_job_id = $1) c
     WHERE e.id = c.id AND (table_hash IS DISTINCT FROM $2 OR table_complete <> c.complete)
     RETURNING e.id, c.complete`,
    [jobId, table.hash, ended],
  );
  for (const { id, complete } of changed.rows) {
    graph.tell({ type: 'table.ready', hash: table.hash, complete }, { experimentId: id, jobId });
  }
}
