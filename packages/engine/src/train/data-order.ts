import { permutation, randomStream } from '../random/index.js';

/**
 * Which images each update sees: every epoch a new order from the seed, cut into whole batches (the last partial one
 * is left out). Any step's batch follows from the seed alone, so a resumed run needs no state.
 */
export class DataOrder {
  readonly stepsPerEpoch: number;
  private epoch = -1;
  private order: Int32Array = new Int32Array();

  constructor(
    private readonly count: number,
    private readonly batch: number,
    private readonly seed: number,
  ) {
    this.stepsPerEpoch = Math.floor(count / batch);
  }

  /** Indices of update `step` (from 0). */
  indices(step: number): Int32Array {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    if (epoch !== this.epoch) {
      this.order = permutation(randomStream(this.seed, `order/${epoch}`), this.count);
      this.epoch = epoch;
    }
    const start = (step % this.stepsPerEpoch) * this.batch;
    return this.order.slice(start, start + this.batch);
  }
}
