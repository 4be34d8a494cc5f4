import {
  filledTrialCounts,
  objectives,
  selectMetrics,
  type BestResult,
  type ExperimentDetail,
  type ExperimentListItem,
  type ExperimentSpec,
  type ExperimentState,
  type TrialState,
} from '@ferment/contracts';
import { gibibyte } from '../memory.js';
import type { Counts } from './counters.js';

export interface ExperimentRow {
  id: string;
  project: string;
  name: string;
  description: string;
  tags: string[];
  state: ExperimentState;
  createdAt: Date;
  endedAt: Date | null;
  archivedAt: Date | null;
  priority: number;
  parallel: number | null;
  timeout: number | null;
  /** GiB. */
  memory: number | null;
  trials: Partial<Record<TrialState, number>>;
  jobs: Counts;
  withoutSharing: number;
  planned: number;
  cached: number;
  datasets: { name: string; version: string }[];
  best: BestResult | null;
  spec: ExperimentSpec;
  specHash: string;
  variants: { name: string; factors: Record<string, string> }[];
  baseline: string;
  fixedStages: string[];
  warnings: string[];
  tableHash: string | null;
  tableComplete: boolean;
}

/** SQL: the metrics of which the lowest value is the best. */
const lowest = selectMetrics
  .filter((metric) => !objectives[metric].higherIsBetter)
  .map((metric) => `'${metric}'`)
  .join(', ');

/** SQL: of experiment `e` the trial that is best on validation, of equals the one with the lower seed. */
const bestResult = `(SELECT json_build_object('trialId', t.id, 'variant', t.variant, 'seed', t.seed, 'fold', t.fold,
    'metric', chosen.metric, 'value', figures.value, 'test', t.summary->chosen.dataset->'test')
  FROM (SELECT e.spec->'select'->>'metric' AS metric, e.spec->'data'->>'dataset' AS dataset) chosen
    JOIN trial t ON t.experiment_id = e.id AND t.state = 'succeeded'
    CROSS JOIN LATERAL (SELECT (t.summary->chosen.dataset->'validation'->>split_part(chosen.metric, '.', 2))::float8 AS value)
      figures
  WHERE figures.value IS NOT NULL
  ORDER BY CASE WHEN chosen.metric IN (${lowest}) THEN figures.value ELSE -figures.value END, t.seed, t.fold, t.position
  LIMIT 1)`;

export const experimentColumns = `e.id, p.name AS project, e.name, e.description, e.tags, e.state,
  e.created_at AS "createdAt", e.ended_at AS "endedAt", e.archived_at AS "archivedAt", e.priority, e.parallel,
  e.timeout_minutes AS timeout, e.memory / ${gibibyte} AS memory, e.trial_counts AS trials, e.job_counts AS jobs,
  e.trainings_without_sharing AS "withoutSharing", e.trainings_planned AS planned, e.trainings_cached AS cached,
  e.datasets, ${bestResult} AS best, e.spec, e.spec_hash AS "specHash", e.variants, e.baseline, e.fixed_stages AS "fixedStages", e.warnings,
  e.table_hash AS "tableHash", e.table_complete AS "tableComplete"`;

export function listItemOf(row: ExperimentRow): ExperimentListItem {
  const jobs = Object.fromEntries(Object.entries(row.jobs).filter(([, n]) => n > 0));
  return {
    id: row.id,
    project: row.project,
    name: row.name,
    description: row.description,
    tags: row.tags,
    state: row.state,
    createdAt: row.createdAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
    archivedAt: row.archivedAt?.toISOString() ?? null,
    run: {
      priority: row.priority,
      ...(row.parallel !== null && { parallel: row.parallel }),
      ...(row.timeout !== null && { timeout: row.timeout }),
      ...(row.memory !== null && { memory: row.memory }),
    },
    trials: filledTrialCounts(row.trials),
    jobs,
    trainings: { withoutSharing: row.withoutSharing, planned: row.planned, cached: row.cached },
    datasets: row.datasets,
    best: row.best,
  };
}

export function detailOf(row: ExperimentRow): ExperimentDetail {
  return {
    ...listItemOf(row),
    spec: row.spec,
    specHash: row.specHash,
    variants: row.variants,
    baseline: row.baseline,
    fixedStages: row.fixedStages,
    warnings: row.warnings,
    table: row.tableHash === null ? null : { hash: row.tableHash, complete: row.tableComplete },
  };
}
