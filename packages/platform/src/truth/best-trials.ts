import { objectives, type BestTrials, type BestTrialsQuery } from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import { trialItems } from './trial-views.js';

interface Ranked {
  id: string;
  experimentId: string;
  name: string;
  datasetVersion: string | null;
  value: number;
  selectedBy: string;
}

/** Finished trials of any experiments by a validation metric, best first; of equal ones the newer experiment, then the plan's order. */
export async function bestTrialsOn(database: Database, query: BestTrialsQuery): Promise<BestTrials> {
  const { metric, limit, archived } = query;
  const counted = await database.pool.query<{ dataset: string }>(
    `SELECT key AS dataset FROM trial t, json_each(t.summary) WHERE t.state = 'succeeded'
     GROUP BY key ORDER BY count(*) DESC, key`,
  );
  const datasets = counted.rows.map(({ dataset }) => dataset);
  const dataset = query.dataset ?? datasets[0] ?? null;
  if (dataset === null) return { datasets, dataset, metric, items: [] };
  const { figure, higherIsBetter } = objectives[metric];
  const { rows } = await database.pool.query<Ranked>(
    `SELECT t.id, e.id AS "experimentId", e.name, e.spec #>> '{select,metric}' AS "selectedBy",
       (SELECT used->>'version' FROM json_array_elements(e.datasets) used WHERE used->>'name' = $1 LIMIT 1)
         AS "datasetVersion",
       (t.summary #>> ARRAY[$1, 'validation', $2])::float8 AS value
     FROM trial t JOIN experiment e ON e.id = t.experiment_id
     WHERE t.state = 'succeeded' AND t.summary #>> ARRAY[$1, 'validation', $2] IS NOT NULL
       AND ($3 OR e.archived_at IS NULL)
     ORDER BY value ${higherIsBetter ? 'DESC' : 'ASC'}, e.created_at DESC, t.position LIMIT $4`,
    [dataset, figure, archived, limit],
  );
  const trials = await trialItems(database, 't.id = ANY($1)', [rows.map(({ id }) => id)]);
  const byId = new Map(trials.map((trial) => [trial.id, trial]));
  const items = rows.flatMap(({ id, experimentId, name: called, ...rank }) => {
    const trial = byId.get(id);
    return trial ? [{ trial, experiment: { id: experimentId, name: called }, ...rank }] : [];
  });
  return { datasets, dataset, metric, items };
}
