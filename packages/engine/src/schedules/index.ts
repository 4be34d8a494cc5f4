import type { ScheduleSpec } from '@ferment/contracts';

export interface ScheduleLength {
  /** Updates of the whole run. */
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

/**
 * The part of its full value that a quantity has in update `step` (from 0) while it rises linearly over `length` updates:
 * (step + 1) / length, then 1.
 */
export function ramped(step: number, length: number): number {
  return Math.min(1, (step + 1) / Math.max(1, length));
}

/**
 * The learning rate of one update.
 *
 * During warm-up it rises linearly, step by step: update s (from 0) of w has (s + 1) / w of the base rate. After it,
 * `constant` stays, `cosine` falls to zero over the rest of the run (SGDR, Loshchilov & Hutter, ICLR 2017, eq. 5,
 * without restarts).
 *
 * @param base rate at the end of warm-up, > 0
 * @param step updates done before this one, 0 … steps - 1
 */
export function learningRate(spec: ScheduleSpec, base: number, step: number, length: ScheduleLength): number {
  const warmup = Math.round(spec.warmup * length.stepsPerEpoch);
  if (step < warmup) return (base * (step + 1)) / warmup;
  switch (spec.name) {
    case 'constant':
      return base;
    case 'cosine':
      return (base * (1 + Math.cos((Math.PI * (step - warmup)) / Math.max(1, length.steps - warmup)))) / 2;
  }
}
