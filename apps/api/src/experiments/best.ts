import {
  isBetter,
  objectives,
  type BestCheckpoint,
  type SelectMetric,
  type TrialItem,
} from '@ferment/contracts';
import { Problem } from '../common/problem.js';

/**
 * The best of an experiment's finished results. The choice is made on validation, never on test; of equal results the
 * one with the lower seed (then fold) is taken.
 *
 * @param dataset the experiment's own data set, on which results are compared
 * @param choice  metric, the one that chose each checkpoint during its training, and a variant to stay within
 * @throws Problem not-found while no trial that fits has finished with its files
 */
export function bestOf(
  trials: readonly TrialItem[],
  dataset: string,
  choice: { metric: SelectMetric; selectedBy: SelectMetric; variant?: string | undefined },
): BestCheckpoint {
  const { figure } = objectives[choice.metric];
  let best: BestCheckpoint | null = null;
  for (const trial of [...trials].sort((a, b) => a.seed - b.seed || (a.fold ?? 0) - (b.fold ?? 0))) {
    if (choice.variant !== undefined && trial.variant !== choice.variant) continue;
    const value = trial.summary[dataset]?.validation?.[figure];
    const { downloads: files } = trial;
    if (trial.state !== 'succeeded' || value === undefined || !files.safetensors || !files.onnx) continue;
    if (!best || isBetter(choice.metric, value, best.value)) {
      const { metric, selectedBy } = choice;
      best = { trial, metric, value, selectedBy, files };
    }
  }
  if (!best) {
    const among = choice.variant === undefined ? 'No trial' : `No trial of variant "${choice.variant}"`;
    throw new Problem('not-found', `${among} has finished with its files yet.`);
  }
  return best;
}
