import { required } from '../required.js';

/** Decay of the moving average of the student's F1. */
export const averageDecay = 0.9;

const bounds = { lowest: 0.5, highest: 2 } as const;

/**
 * One more epoch in an exponential moving average: decay average + (1 - decay) values, started at the first values.
 *
 * @param average of the epochs before, or null for the first
 */
export function movingAverage(
  average: readonly number[] | null,
  values: readonly number[],
  decay = averageDecay,
): number[] {
  return values.map((value, index) => {
    const before = average?.[index];
    return before === undefined ? value : decay * before + (1 - decay) * value;
  });
}

/**
 * EADD's class gains: classes on which the student is weaker than on average are distilled with more weight.
 * g_c = clip(1 + gamma (mean F1 - F1_c), 0.5, 2), then scaled so that sum_c n_c g_c = N: dynamics move weight between
 * classes and leave the whole weight of distillation as it is.
 *
 * @param f1     the student's F1 of each class (its moving average), fractions
 * @param counts training images of each class
 * @param gamma  0 gives gains of 1
 */
export function classGains(f1: readonly number[], counts: readonly number[], gamma: number): number[] {
  const mean = f1.reduce((sum, value) => sum + value, 0) / f1.length;
  const clipped = f1.map((value) =>
    Math.min(bounds.highest, Math.max(bounds.lowest, 1 + gamma * (mean - value))),
  );
  const images = counts.reduce((sum, count) => sum + count, 0);
  const weight = clipped.reduce((sum, gain, index) => sum + gain * required(counts[index], 'a count'), 0);
  return clipped.map((gain) => (gain * images) / weight);
}
