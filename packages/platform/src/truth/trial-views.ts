import {
  forExportFormats,
  type ArtifactReference,
  type LatencyResult,
  type TrialCost,
  type TrialItem,
  type TrialState,
  type TrialSummary,
} from '@ferment/contracts';
import type { Database } from '../postgres/database.js';

interface TrialRow {
  id: string;
  experimentId: string;
  variant: string;
  factors: Record<string, string>;
  seed: number;
  fold: number | null;
  state: TrialState;
  reason: string | null;
  stopped: { epoch: number; step: number } | null;
  summary: TrialSummary;
  jobs: Record<string, string>;
  files: Record<string, ArtifactReference> | null;
  cost: EvaluatedCost | null;
}

/** As an evaluation reports it, with what it was computed on. */
interface EvaluatedCost {
  parameters: number;
  macs: number;
  latency: LatencyResult | null;
  computedOn: { cpu: string; device?: string } | null;
}

function costOf({ parameters, macs, latency, computedOn }: EvaluatedCost): TrialCost {
  const device = computedOn?.device === 'cpu' ? computedOn.cpu : computedOn?.device;
  return { parameters, macs, latency: latency && { ...latency, device: device ?? null } };
}

/** Trials with their jobs and downloads, in the plan's order. `where` names the trial `t`. */
export async function trialItems(database: Database, where: string, values: unknown[]): Promise<TrialItem[]> {
  const { rows } = await database.pool.query<TrialRow>(
    `SELECT t.id, t.experiment_id AS "experimentId", t.variant, t.factors, t.seed, t.fold, t.state, t.reason,
       CASE WHEN t.stopped IS NOT NULL THEN json_build_object('epoch', t.stopped->'epoch', 'step', t.stopped->'step') END
         AS stopped, t.summary,
       coalesce((SELECT json_object_agg(r.role, r.job_id ORDER BY r.role) FROM trial_job r WHERE r.trial_id = t.id), '{}')
         AS jobs,
       (SELECT json_object_agg(o.role, json_build_object('hash', a.hash, 'bytes', a.bytes))
        FROM trial_job r JOIN job j ON j.id = r.job_id AND j.state = 'succeeded'
          JOIN job_output o ON o.job_id = j.id JOIN artifact a ON a.hash = o.hash
        WHERE r.trial_id = t.id AND r.role = 'export') AS files,
       (SELECT json_build_object('parameters', e.parameters, 'macs', e.macs,
          'latency', coalesce(e.latency, e.robustness #> '{cost,latency}'), 'computedOn', e."computedOn")
        FROM trial_job r JOIN job j ON j.id = r.job_id AND j.state = 'succeeded',
          json_to_record(j.result) AS e(parameters bigint, macs bigint, latency json, robustness json, "computedOn" json)
        WHERE r.trial_id = t.id AND r.role ~ '^evaluate:[^:]+$' ORDER BY r.role LIMIT 1) AS cost
     FROM trial t WHERE ${where} ORDER BY t.experiment_id, t.position`,
    values,
  );
  return rows.map(({ files, cost, ...trial }) => ({
    ...trial,
    cost: cost && costOf(cost),
    downloads: forExportFormats((format) => files?.[format] ?? null),
  }));
}
