import type { ScheduleSpec } from '@ferment/contracts';
import { z } from 'zod';

type PlateauSpec = Extract<ScheduleSpec, { name: 'plateau' }>;

/** What of a plateau schedule goes into a checkpoint. */
export const savedPlateau = z.strictObject({
  factor: z.number(),
  /** The best value so far; null before the first epoch. */
  best: z.number().nullable(),
  /** Epochs in a row that were no better. */
  stale: z.int(),
});
export type SavedPlateau = z.output<typeof savedPlateau>;

/**
 * The rate's factor under the `plateau` schedule: it falls after more than `patience` epochs in a row without a value
 * that is better than the best so far by the part `threshold` of it (PyTorch's ReduceLROnPlateau, `threshold_mode='rel'`,
 * no cooldown).
 */
export class Plateau {
  private state: SavedPlateau = { factor: 1, best: null, stale: 0 };

  constructor(
    private readonly spec: PlateauSpec,
    private readonly higherIsBetter: boolean,
  ) {}

  get factor(): number {
    return this.state.factor;
  }

  /** Takes in an epoch's value of the watched metric. */
  observe(value: number): void {
    const { factor, best, stale } = this.state;
    if (best === null || this.isBetter(value, best)) this.state = { factor, best: value, stale: 0 };
    else if (stale + 1 > this.spec.patience)
      this.state = { factor: factor * this.spec.factor, best, stale: 0 };
    else this.state = { factor, best, stale: stale + 1 };
  }

  private isBetter(value: number, best: number): boolean {
    const { threshold } = this.spec;
    return this.higherIsBetter ? value > best * (1 + threshold) : value < best * (1 - threshold);
  }

  save(): SavedPlateau {
    return this.state;
  }

  restore(state: SavedPlateau): void {
    this.state = state;
  }
}
