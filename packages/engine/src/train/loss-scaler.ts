import { JobFailure } from '@ferment/contracts';
import { z } from 'zod';

/** What of the loss scale goes into a checkpoint. */
export const savedLossScale = z.strictObject({
  scale: z.number(),
  /** Updates in a row since the scale last changed. */
  good: z.int(),
  /** Updates of the run that were left out. */
  skipped: z.int(),
});
export type SavedLossScale = z.output<typeof savedLossScale>;

/** torch.amp.GradScaler's defaults. */
const first = 2 ** 16;
const growth = 2;
const backoff = 0.5;
const growthInterval = 2000;
/** As low as fairseq goes (its min_loss_scale is 1e-4): gradients that overflow even so are not a matter of scale. */
const least = 2 ** -13;

/**
 * Dynamic loss scaling (Micikevicius et al., ICLR 2018, section 3.2), as torch.amp.GradScaler has it: gradients of a loss
 * multiplied by the scale, so that small ones do not vanish in float16, are divided by it again in float32. One that is
 * not finite leaves the update out and halves the scale; 2,000 updates in a row without one double it.
 */
export class LossScaler {
  private state: SavedLossScale = { scale: first, good: 0, skipped: 0 };

  /** What the next update's loss is multiplied by: a power of two, so that dividing by it rounds nothing. */
  get scale(): number {
    return this.state.scale;
  }

  get skipped(): number {
    return this.state.skipped;
  }

  /**
   * Takes in an update.
   *
   * @param finite whether all of its gradients were finite, so that it was done
   * @param step   of updates, from 1, for messages
   * @throws JobFailure `diverged` where no scale is left
   */
  observe(finite: boolean, step: number): void {
    const { scale, good, skipped } = this.state;
    if (!finite) {
      if (scale * backoff < least)
        throw new JobFailure(
          'diverged',
          `diverged at step ${step}: gradients in float16 are not finite at any loss scale down to ${least}; ` +
            'try train.precision: bfloat16 or a lower learning rate',
          { step },
        );
      this.state = { scale: scale * backoff, good: 0, skipped: skipped + 1 };
    } else if (good + 1 === growthInterval) {
      // A scale beyond float32 would make every gradient infinite.
      const grown = Math.fround(scale * growth);
      this.state = { scale: Number.isFinite(grown) ? grown : scale, good: 0, skipped };
    } else this.state = { scale, good: good + 1, skipped };
  }

  save(): SavedLossScale {
    return this.state;
  }

  restore(state: SavedLossScale): void {
    this.state = state;
  }
}
