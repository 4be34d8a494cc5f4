import {
  earlyStopMetric,
  isBetter,
  objectives,
  plannedConfigurations,
  countVariants,
  searchMetric,
  type ExperimentSpec,
  type SearchValues,
  type StudyHistory,
  type StudyPointItem,
} from '@ferment/contracts';
import type { Database, Queryable } from '../postgres/database.js';

/** At a decision: epochs and steps done, best value so far, mean of the values so far. */
export interface StudyReport {
  epoch: number;
  step: number;
  best: number;
  average: number;
}

/** A configuration that was begun. */
export interface StudyPointRow {
  number: number;
  variant: string;
  values: SearchValues;
  /** After which epochs it is decided whether it goes on, and how many times it was let go on. */
  decisions: number[];
  reached: number;
  state: StudyPointItem['state'];
  reports: StudyReport[];
  value: number | null;
  /** The how-manieth to end. */
  order: number | null;
  reason: string | null;
}

export async function pointRows(tx: Queryable, experimentId: string): Promise<StudyPointRow[]> {
  const { rows } = await tx.query<StudyPointRow>(
    `SELECT number, variant, search_values AS values, decisions, reached, state, reports, value, end_order AS "order", reason
     FROM study_point WHERE experiment_id = $1 ORDER BY number`,
    [experimentId],
  );
  return rows;
}

/** The history of a search, or of an ablation with early stopping; null for any other experiment. */
export async function studyHistory(database: Database, experimentId: string): Promise<StudyHistory | null> {
  const { rows } = await database.pool.query<{ spec: ExperimentSpec; state: string }>(
    'SELECT e.spec, s.state FROM study s JOIN experiment e ON e.id = s.experiment_id WHERE e.id = $1',
    [experimentId],
  );
  const [study] = rows;
  if (!study) return null;
  const { spec } = study;
  const metric = searchMetric(spec);
  const trials = await database.pool.query<{ variant: string; ids: string[] }>(
    'SELECT variant, array_agg(id ORDER BY position) AS ids FROM trial WHERE experiment_id = $1 GROUP BY variant',
    [experimentId],
  );
  const idsOf = new Map(trials.rows.map(({ variant, ids }) => [variant, ids]));
  const points = await pointRows(database.pool, experimentId);
  const best = bestSoFar(points, spec);
  const items = points.map((point): StudyPointItem => {
    const { number, variant, values, state, value, order, reason } = point;
    const last = point.reports.at(-1);
    // What early stopping goes by is not the search's metric where the spec says so.
    const partly = earlyStopMetric(spec) === metric ? (last?.best ?? null) : null;
    return {
      ...{ number, variant, values, state, order, reason },
      value: value ?? (state === 'failed' ? null : partly),
      bestSoFar: order === null ? null : (best.get(order) ?? null),
      epochs: state === 'stopped' || state === 'waiting' ? (last?.epoch ?? null) : null,
      trialIds: idsOf.get(variant) ?? [],
    };
  });
  const finished = items.filter(({ state, value }) => state === 'succeeded' && value !== null);
  return {
    metric,
    direction: objectives[metric].higherIsBetter ? 'maximize' : 'minimize',
    sampler: spec.search?.sampler ?? null,
    earlyStop: spec.earlyStop ?? null,
    state: study.state === 'open' ? 'open' : 'ended',
    planned: spec.search ? plannedConfigurations(spec.search) : countVariants(spec.ablation),
    points: items,
    best: finished.reduce<StudyPointItem | null>(
      (top, point) => (top === null || isBetter(metric, point.value ?? NaN, top.value ?? NaN) ? point : top),
      null,
    ),
  };
}

/** The best finished value among the first so many that ended, by their order. */
function bestSoFar(points: readonly StudyPointRow[], spec: ExperimentSpec): Map<number, number | null> {
  const metric = searchMetric(spec);
  let best: number | null = null;
  const byOrder = new Map<number, number | null>();
  for (const { order, state, value } of [...points].sort((a, b) => (a.order ?? 0) - (b.order ?? 0))) {
    if (order === null) continue;
    if (state === 'succeeded' && value !== null && (best === null || isBetter(metric, value, best)))
      best = value;
    byOrder.set(order, best);
  }
  return byOrder;
}
