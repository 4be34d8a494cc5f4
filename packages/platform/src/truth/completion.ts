import type { DatasetSummary, EvaluationResult, JobKind, MetricRow } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import type { Graph } from './graph.js';
import { curveOf, summariseCurve, type StoredChunk } from './metrics.js';
import { writeTrialSummaries } from './summaries.js';
import { publishTable } from './tables.js';

/** What an `import` job reports of the version it made. */
export interface ImportResult {
  dataset: string;
  version: string;
  bytes: number;
  summary: DatasetSummary;
}

/** What else becomes true when a job of this kind succeeds, in the same transaction. */
export async function completionEffects(
  graph: Graph,
  kind: JobKind,
  jobId: string,
  result: unknown,
): Promise<void> {
  switch (kind) {
    case 'import':
      return publishVersion(graph, jobId, result as ImportResult);
    case 'evaluate':
      return writeTrialSummaries(graph.tx, jobId, result as EvaluationResult);
    case 'ablation':
      return publishTable(graph, jobId);
    case 'train':
    case 'distill':
      return summariseMetrics(graph.tx, jobId);
    case 'export':
      return;
  }
}

async function publishVersion(graph: Graph, jobId: string, result: ImportResult): Promise<void> {
  const { dataset, version, bytes, summary } = result;
  await graph.tx.query('INSERT INTO dataset (name) VALUES ($1) ON CONFLICT (name) DO NOTHING', [dataset]);
  await graph.tx.query(
    `INSERT INTO dataset_version (dataset_id, version, bytes, summary, job_id)
     SELECT id, $2, $3, $4, $5 FROM dataset WHERE name = $1 ON CONFLICT (dataset_id, version) DO NOTHING`,
    [dataset, version, bytes, JSON.stringify(summary), jobId],
  );
  graph.tell({ type: 'dataset.imported', dataset, version }, { jobId });
}

async function summariseMetrics(tx: Queryable, jobId: string): Promise<void> {
  const { rows } = await tx.query<StoredChunk & { rows: MetricRow[] }>(
    'SELECT cursor, truncate_from AS "truncateFrom", rows FROM metric_chunk WHERE job_id = $1 ORDER BY cursor',
    [jobId],
  );
  const series = summariseCurve(curveOf(rows));
  await tx.query('DELETE FROM metric_summary WHERE job_id = $1', [jobId]);
  await tx.query(
    `INSERT INTO metric_summary (job_id, series, points, last_step, last, minimum, maximum)
     SELECT $1, * FROM unnest($2::text[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::float8[])`,
    [
      jobId,
      series.map((item) => item.series),
      series.map((item) => item.points),
      series.map((item) => item.lastStep),
      series.map((item) => item.last),
      series.map((item) => item.minimum),
      series.map((item) => item.maximum),
    ],
  );
}
