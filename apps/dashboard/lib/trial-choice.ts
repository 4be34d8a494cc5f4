import { drawName, type SelectMetric, type TrialItem } from '@ferment/contracts';
import { mostCompared } from './compared';
import { bestTrial } from './trial-table';

/** Trials whose variant, draw or state has every word of a text, whatever its case. */
export function matching(trials: readonly TrialItem[], text: string): TrialItem[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return trials.filter((trial) => {
    const told = `${trial.variant} ${drawName(trial)} ${trial.state}`.toLowerCase();
    return words.every((word) => told.includes(word));
  });
}

/** The best trial of each variant by a validation metric; variants without figures have none. */
export function bestOfEach(trials: readonly TrialItem[], dataset: string, metric: SelectMetric): TrialItem[] {
  const variants = [...new Set(trials.map(({ variant }) => variant))];
  return variants.flatMap(
    (variant) =>
      bestTrial(
        trials.filter((trial) => trial.variant === variant),
        dataset,
        metric,
      ) ?? [],
  );
}

/** Of those that are wanted, the ids that are not compared yet and for which there is room. */
export function addable(wanted: readonly TrialItem[], chosen: readonly string[]): string[] {
  const left = wanted.map(({ id }) => id).filter((id) => !chosen.includes(id));
  return left.slice(0, Math.max(0, mostCompared - chosen.length));
}
