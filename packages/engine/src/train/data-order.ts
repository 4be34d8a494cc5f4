import { permutation, randomStream, type RandomStream } from '../random/index.js';
import { required } from '../required.js';

/** The order in which an epoch goes through the images: indices, as many as there are images. */
export type EpochOrder = (random: RandomStream) => Int32Array;

/** Every image once. */
export function shuffled(count: number): EpochOrder {
  return (random) => permutation(random, count);
}

/**
 * Every class equally often (to one image): a class with fewer images than its share starts over in a new order, one
 * with more shows other ones in another epoch. Classes without images have no share.
 *
 * @param labels class id of each image
 */
export function balanced(labels: Int32Array): EpochOrder {
  const classes = new Map<number, number[]>();
  labels.forEach((label, image) => {
    const members = classes.get(label);
    if (members) members.push(image);
    else classes.set(label, [image]);
  });
  const byLabel = [...classes].sort(([a], [b]) => a - b).map(([, members]) => Int32Array.from(members));
  return (random) => {
    // Which classes get one image more, where the shares are not whole, changes from epoch to epoch.
    const turns = permutation(random, byLabel.length);
    const drawn = Int32Array.from({ length: labels.length }, () => 0);
    byLabel.forEach((members, label) => {
      const first = required(turns[label], 'a turn');
      let order: Int32Array = new Int32Array();
      for (let at = first, taken = 0; at < drawn.length; at += byLabel.length, taken += 1) {
        const place = taken % members.length;
        if (place === 0) order = permutation(random, members.length);
        drawn[at] = required(members[required(order[place], 'a place')], 'an image');
      }
    });
    return permutation(random, drawn.length).map((at) => required(drawn[at], 'an image'));
  };
}

/**
 * Which images each update sees: every epoch a new order from the seed, cut into whole batches (the last partial one
 * is left out). Any step's batch follows from the seed alone, so a resumed run needs no state.
 */
export class DataOrder {
  readonly stepsPerEpoch: number;
  private epoch = -1;
  private order: Int32Array = new Int32Array();

  constructor(
    count: number,
    private readonly batch: number,
    private readonly seed: number,
    private readonly epochOrder: EpochOrder = shuffled(count),
  ) {
    this.stepsPerEpoch = Math.floor(count / batch);
  }

  /** Indices of update `step` (from 0). */
  indices(step: number): Int32Array {
    const epoch = Math.floor(step / this.stepsPerEpoch);
    if (epoch !== this.epoch) {
      this.order = this.epochOrder(randomStream(this.seed, `order/${epoch}`));
      this.epoch = epoch;
    }
    const start = (step % this.stepsPerEpoch) * this.batch;
    return this.order.slice(start, start + this.batch);
  }
}
