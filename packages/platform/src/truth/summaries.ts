import type { EvaluationResult, SplitMetrics } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';

const figures = ({ accuracy, macroF1, nll, ece, images }: SplitMetrics): Record<string, number> => ({
  accuracy,
  macroF1,
  nll,
  ece,
  images,
});

/**
 * Writes an evaluation's figures to the trials whose result it scores (role `evaluate:<dataset>`; evaluations of
 * other stages, `evaluate:<dataset>:<stage>`, are not the trial's).
 */
export async function writeTrialSummaries(
  tx: Queryable,
  jobId: string,
  result: EvaluationResult,
): Promise<void> {
  const { dataset, splits } = result;
  const validation = splits.validation && figures(splits.validation);
  const summary = { validation, test: figures(splits.test) };
  await tx.query(
    `UPDATE trial t SET summary = (t.summary::jsonb || jsonb_build_object($2::text, $3::jsonb))::json
     FROM trial_job r WHERE r.trial_id = t.id AND r.job_id = $1 AND r.role = 'evaluate:' || $2::text`,
    [jobId, dataset, JSON.stringify(summary)],
  );
}
