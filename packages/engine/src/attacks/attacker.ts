import type { AttackRun } from '@ferment/contracts';
import { setImmediate } from 'node:timers/promises';
import type { Program, TensorData } from '../capture/index.js';
import { required } from '../required.js';
import { verifyInside } from './ball.js';
import type { AttackDefinition, AttackFetch } from './program.js';
import { attacks } from './registry.js';
import { startNoise } from './starts.js';

/** Up to one batch of pictures. */
export interface Pictures {
  /** uint8 [count, size, size, channels]. */
  readonly pixels: Uint8Array;
  /** [count]. */
  readonly labels: Int32Array;
  /** Places in the data set, [count]: what their random starts follow from. */
  readonly places: ArrayLike<number>;
}

/** What an attack left of a batch. */
export interface AttackedBatch {
  /** 1 where the picture is still classified rightly after every restart, [count]. */
  readonly survived: Uint8Array;
}

export type AttackSession = Program<AttackDefinition['state'], AttackDefinition['inputs'], AttackFetch>;

/** Runs attacks of the registry on one network, a batch at a time. */
export class Attacker {
  private readonly values: number;

  /**
   * @param session of `attackDefinition`, with the model's weights written
   * @param shape   of the session's batch of pictures, [batch, size, size, channels]
   * @param pause   called between two runs of the graph, which block the process: answers whoever asks, and throws to
   *                stop the attack
   */
  constructor(
    private readonly session: AttackSession,
    private readonly shape: readonly number[],
    private readonly pause: () => Promise<void> = setImmediate,
  ) {
    this.values = shape.slice(1).reduce((product, size) => product * size, 1);
  }

  get batch(): number {
    return this.shape[0] ?? 0;
  }

  /** The data filled up to the whole batch with zeros, whose rows are not looked at. */
  private filled<T extends TensorData>(data: T, values: number): T {
    if (data.length === this.batch * values) return data;
    const padded = new (data.constructor as new (length: number) => T)(this.batch * values);
    padded.set(data);
    return padded;
  }

  private labels({ labels }: Pictures): Int32Array {
    return this.filled(labels, 1);
  }

  /** Logits of up to one batch of untouched pictures, which stay loaded; [count, classes]. */
  async load(pixels: Uint8Array): Promise<Float32Array> {
    await this.pause();
    const images = this.filled(pixels, this.values);
    const logits = required(this.session.run('load', { images })['logits'], 'logits');
    const classes = logits.length / this.batch;
    return Float32Array.from(logits).subarray(0, (pixels.length / this.values) * classes);
  }

  /**
   * Gradient of the cross entropy by the pictures as they are; [count, size, size, channels].
   */
  async gradient(pictures: Pictures): Promise<Float32Array> {
    await this.load(pictures.pixels);
    const found = required(
      this.session.run('gradient', { labels: this.labels(pictures) })['gradient'],
      'gradient',
    );
    return Float32Array.from(found).subarray(0, pictures.pixels.length);
  }

  /** x' of the last attack, in [0, 1]; [count, size, size, channels]. */
  attacked(count: number): Float32Array {
    const values = required(this.session.read('attack')['attacked'], 'the attacked pictures');
    return Float32Array.from(values).subarray(0, count * this.values);
  }

  /**
   * One start of one attack; its pictures stay in the session.
   *
   * @returns logits at the last x', [count, classes]
   * @throws Error when a picture left its ball or the range
   */
  async once(pictures: Pictures, run: AttackRun, seed: number, restart = 0): Promise<Float32Array> {
    const { objective, start } = attacks[run.attack];
    const what = `${run.attack} at epsilon ${run.epsilon}`;
    const epsilon = Float32Array.of(run.epsilon);
    const stepSize = Float32Array.of(run.stepSize);
    const labels = this.labels(pictures);
    await this.load(pictures.pixels);
    if (start === 'uniform') {
      const noise = startNoise(seed, restart, pictures.places, this.values);
      const placed = this.session.run('start', { start: this.filled(noise, this.values), epsilon });
      verifyInside(placed, run.epsilon, what);
    }
    for (let step = 0; step < run.steps; step += 1) {
      await this.pause();
      const moved = this.session.run(`raise-${objective}`, { labels, epsilon, stepSize });
      verifyInside(moved, run.epsilon, what);
    }
    const logits = required(this.session.run('logits', {})['logits'], 'logits');
    const classes = logits.length / this.batch;
    return Float32Array.from(logits).subarray(0, pictures.labels.length * classes);
  }

  /**
   * An attack with all its restarts: a picture survives where it is classified rightly after each of them. The caller
   * gives only pictures that are right when untouched: the others are wrong under any attack.
   */
  async attack(pictures: Pictures, run: AttackRun, seed: number): Promise<AttackedBatch> {
    const survived = new Uint8Array(pictures.labels.length).fill(1);
    for (let restart = 0; restart < run.restarts && survived.includes(1); restart += 1) {
      const right = rightOf(await this.once(pictures, run, seed, restart), pictures.labels);
      for (let at = 0; at < survived.length; at += 1)
        survived[at] = Math.min(survived[at] ?? 0, right[at] ?? 0);
    }
    return { survived };
  }
}

/**
 * 1 where the largest logit is the label's; of equal logits the first counts.
 *
 * @param logits [count, classes]
 * @throws RangeError for a logit that is not finite
 */
export function rightOf(logits: Float32Array, labels: Int32Array): Uint8Array {
  const classes = logits.length / labels.length;
  return Uint8Array.from(labels, (label, image) => {
    const row = logits.subarray(image * classes, (image + 1) * classes);
    if (!row.every(Number.isFinite))
      throw new RangeError(
        `the logits of picture ${image} are not finite: the network's weights are damaged`,
      );
    return row.indexOf(Math.max(...row)) === label ? 1 : 0;
  });
}
