import { canonicalJson, evaluationResult, type EvaluationResult } from '@ferment/contracts';
import { experimentTables } from '@ferment/statistics';
import type { Handler } from './handler.js';

/** Computes an experiment's tables from the evaluations of its trials. */
export const ablation: Handler<'ablation'> = async ({ params }, context) => {
  const hashes = new Set(params.trials.flatMap((trial) => Object.values(trial.metrics)));
  const results: Record<string, EvaluationResult> = {};
  for (const hash of hashes) {
    results[hash] = evaluationResult.parse(JSON.parse(new TextDecoder().decode(await context.read(hash))));
  }
  const tables = experimentTables({ params, results });
  return {
    outputs: { table: new TextEncoder().encode(canonicalJson(tables)) },
    result: { incomplete: tables.incomplete, trials: params.trials.length },
  };
};
