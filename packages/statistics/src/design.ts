import type { AblationParams, Trial } from './cells.js';
import { contrasts, type Contrast, type Variant } from './contrasts.js';

/** Two-sided level of every interval and test, and the power that the seed notes aim at. */
export const tableAlpha = 0.05;
export const tablePower = 0.8;

export interface Design {
  readonly variants: readonly Variant[];
  readonly plan: readonly Contrast[];
  readonly seeds: readonly number[];
}

/**
 * What a table of these trials compares.
 *
 * @throws RangeError for a trial given twice, or a design without its baseline
 */
export function designOf(params: AblationParams): Design {
  refuseRepeats(params.trials);
  const variants = variantsOf(params);
  return {
    variants,
    plan: params.design === 'none' ? [] : contrasts(params.design, variants, params.baseline),
    seeds: [...new Set([...params.seeds, ...params.trials.map((trial) => trial.seed)])],
  };
}

/** What both tables say of the experiment and its trials. */
export function experimentOf(params: AblationParams, { seeds }: Design) {
  return {
    experiment: params.experiment,
    specHash: params.specHash,
    design: params.design,
    baseline: params.baseline,
    seeds: [...seeds],
    alpha: tableAlpha,
    power: tablePower,
    incomplete: params.trials.some((trial) => trial.state === 'unfinished'),
    fixedStages: params.fixedStages,
    trials: params.trials.map(({ variant, seed, fold, state, reason }) => ({
      variant,
      seed,
      fold,
      state,
      reason,
    })),
  };
}

function refuseRepeats(trials: readonly Trial[]): void {
  const seen = new Set<string>();
  for (const { variant, seed, fold } of trials) {
    const key = `${variant} seed ${seed}${fold === null ? '' : ` fold ${fold}`}`;
    if (seen.has(key)) throw new RangeError(`trial ${key} stands twice in the table's input: expected once`);
    seen.add(key);
  }
}

/** Variants in the order of the trials, the baseline first. */
function variantsOf(params: AblationParams): Variant[] {
  const byName = new Map<string, Variant>();
  for (const { variant, factors } of params.trials) {
    if (!byName.has(variant)) byName.set(variant, { name: variant, factors });
  }
  const isBaseline = (variant: Variant) => variant.name === params.baseline;
  const all = [...byName.values()];
  return [...all.filter(isBaseline), ...all.filter((variant) => !isBaseline(variant))];
}
