import type { ScheduleSpec } from '@ferment/contracts';

export { Plateau, savedPlateau, type SavedPlateau } from './plateau.js';

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

/** From `start` to `end` along half a cosine; `part` from 0 to 1. */
function halfCosine(start: number, end: number, part: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * part))) / 2;
}

/**
 * Up to the base rate and down to almost nothing, each along half a cosine (Smith & Topin, 2018, as PyTorch's OneCycleLR
 * with `anneal_strategy='cos'` has it, momentum left alone).
 */
function oneCycle(
  { rise, startDivisor, endDivisor }: Extract<ScheduleSpec, { name: 'one-cycle' }>,
  base: number,
  step: number,
  steps: number,
): number {
  const top = rise * steps - 1;
  const start = base / startDivisor;
  if (step <= top) return halfCosine(start, base, step / Math.max(1e-12, top));
  return halfCosine(base, start / endDivisor, (step - top) / Math.max(1, steps - 1 - top));
}

/**
 * The learning rate of one update.
 *
 * During warm-up it rises linearly, step by step: update s (from 0) of w has (s + 1) / w of the base rate. After it,
 * `constant` stays (and so does `plateau`, whose factor is its own: see Plateau), `cosine` falls to zero over the rest of the run (SGDR, Loshchilov & Hutter, ICLR 2017, eq. 5,
 * without restarts), `step` multiplies it by a factor every so many epochs, counted from the first update. `one-cycle` has
 * its own rise.
 *
 * @param base highest rate, > 0
 * @param step updates done before this one, 0 … steps - 1
 */
export function learningRate(spec: ScheduleSpec, base: number, step: number, length: ScheduleLength): number {
  if (spec.name === 'one-cycle') return oneCycle(spec, base, step, length.steps);
  const warmup = Math.round(spec.warmup * length.stepsPerEpoch);
  if (step < warmup) return (base * (step + 1)) / warmup;
  switch (spec.name) {
    case 'constant':
    case 'plateau':
      return base;
    case 'cosine':
      return (base * (1 + Math.cos((Math.PI * (step - warmup)) / Math.max(1, length.steps - warmup)))) / 2;
    case 'step':
      return base * spec.factor ** Math.floor(step / (spec.every * length.stepsPerEpoch));
  }
}
