import type { DatasetSummary, EvaluationResult, JobKind } from '@ferment/contracts';
import type { Graph } from './graph.js';
import { writeTrialSummaries } from './summaries.js';
import { publishTable } from './tables.js';

/** What an `import` or a `refine` job reports of the version it made. */
export interface VersionResult {
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
    case 'refine':
      return publishVersion(graph, jobId, result as VersionResult);
    case 'evaluate':
      return writeTrialSummaries(graph.tx, jobId, result as EvaluationResult);
    case 'ablation':
      return publishTable(graph, jobId);
    case 'train':
    case 'distill':
    case 'adversarial':
    case 'weights':
    case 'predict':
    case 'calibrate':
    case 'ensemble':
    case 'export':
      return;
  }
}

async function publishVersion(graph: Graph, jobId: string, result: VersionResult): Promise<void> {
  const { dataset, version, bytes, summary } = result;
  await graph.tx.query('INSERT INTO dataset (name) VALUES ($1) ON CONFLICT (name) DO NOTHING', [dataset]);
  await graph.tx.query(
    `INSERT INTO dataset_version (dataset_id, version, bytes, summary, job_id)
     SELECT id, $2, $3, $4, $5 FROM dataset WHERE name = $1 ON CONFLICT (dataset_id, version) DO NOTHING`,
    [dataset, version, bytes, JSON.stringify(summary), jobId],
  );
  graph.tell({ type: 'dataset.imported', dataset, version }, { jobId });
}
