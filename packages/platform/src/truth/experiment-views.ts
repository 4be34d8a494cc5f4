import {
  filledTrialCounts,
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
  spec: ExperimentSpec;
  specHash: string;
  variants: { name: string; factors: Record<string, string> }[];
  baseline: string;
  fixedStages: string[];
  warnings: string[];
  tableHash: string | null;
  tableComplete: boolean;
}

export const experimentColumns = `e.id, p.name AS project, e.name, e.description, e.tags, e.state,
  e.created_at AS "createdAt", e.ended_at AS "endedAt", e.archived_at AS "archivedAt", e.priority, e.parallel,
  e.timeout_minutes AS timeout, e.memory / ${gibibyte} AS memory, e.trial_counts AS trials, e.job_counts AS jobs,
  e.trainings_without_sharing AS "withoutSharing", e.trainings_planned AS planned, e.trainings_cached AS cached,
  e.datasets, e.spec, e.spec_hash AS "specHash", e.variants, e.baseline, e.fixed_stages AS "fixedStages", e.warnings,
  e.table_hash AS "tableHash", e.table_complete AS "tableComplete"`;

export function listItemOf(row: ExperimentRow): ExperimentListItem {
  const jobs = Object.fromEntries(Object.entries(row.jobs).filter(([, n]) => n > 0));
  return {
    id: row.id,
    project: row.project,
    name: row.name,
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
  };
}

export function detailOf(row: ExperimentRow): ExperimentDetail {
  return {
    ...listItemOf(row),
    description: row.description,
    spec: row.spec,
    specHash: row.specHash,
    variants: row.variants,
    baseline: row.baseline,
    fixedStages: row.fixedStages,
    warnings: row.warnings,
    table: row.tableHash === null ? null : { hash: row.tableHash, complete: row.tableComplete },
  };
}
