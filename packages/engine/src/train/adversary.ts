import type { AttackRun, InnerAttackSpec } from '@ferment/contracts';
import type { ImageSet } from '@ferment/datasets';
import { setImmediate } from 'node:timers/promises';
import { Attacker, rightOf, verifyInside } from '../attacks/index.js';
import { defaultStepSize } from '@ferment/contracts';
import type { Program } from '../capture/index.js';
import { ramped } from '../schedules/index.js';
import type { AdversarialDefinition, AdversarialFetch } from './adversarial-definition.js';
import { TrainingStopped } from './stopped.js';

export type AdversarialSession = Program<
  AdversarialDefinition['state'],
  AdversarialDefinition['inputs'],
  AdversarialFetch
>;

/** The inner attack of a training, by the name that messages call it. */
export interface InnerAttack extends InnerAttackSpec {
  readonly name: string;
}

/** The attacking side of an adversarial training: on each update's batch, and on the validation images. */
export class Adversary {
  constructor(
    private readonly session: AdversarialSession,
    private readonly method: InnerAttack,
    private readonly run: { readonly seed: number; readonly stepsPerEpoch: number },
  ) {}

  /** Radius of update `step` (from 0), in units of the pixel range. */
  epsilon(step: number): number {
    return this.method.epsilon * this.part(step);
  }

  private part(step: number): number {
    return ramped(step, this.method.ramp * this.run.stepsPerEpoch);
  }

  /**
   * The inner attack of update `step`: afterwards the session holds its batch, x and x'. Between the attack's steps the
   * process answers whoever asks.
   *
   * @param batch the inputs of the update that say which images, and their augmentation
   * @throws Error when a picture left its ball or the range
   */
  async prepare(step: number, batch: { indices: Int32Array; key: Int32Array }): Promise<void> {
    const { method } = this;
    const radius = this.epsilon(step);
    const epsilon = Float32Array.of(radius);
    const stepSize = Float32Array.of(method.stepSize * this.part(step));
    this.session.run('inner-start', { ...batch, epsilon });
    for (let count = 0; count < method.steps; count += 1) {
      await setImmediate();
      const moved = this.session.run('inner-step', { indices: batch.indices, epsilon, stepSize });
      verifyInside(moved, radius, `${method.name}, update ${step + 1}`);
    }
  }

  /**
   * Robust validation accuracy: PGD at the method's full epsilon on the first images, from the same starts in every
   * epoch. An image that is wrong untouched counts as wrong.
   *
   * @throws TrainingStopped between two runs of the graph, when the signal asked for it
   */
  async robustAccuracy(set: ImageSet, batch: number, signal: AbortSignal): Promise<number> {
    const { epsilon, validationSteps: steps, validationImages } = this.method;
    const { size, channels } = set;
    const attacker = new Attacker(this.session, [batch, size, size, channels], async () => {
      await setImmediate();
      if (signal.aborted) throw new TrainingStopped(null);
    });
    const pgd: AttackRun = {
      attack: 'pgd',
      epsilon,
      steps,
      restarts: 1,
      stepSize: defaultStepSize(epsilon, steps),
    };
    const count = Math.min(validationImages, set.count);
    const values = size * size * channels;
    let survivors = 0;
    for (let from = 0; from < count; from += batch) {
      const to = Math.min(count, from + batch);
      const labels = set.labels.subarray(from, to);
      const pixels = set.pixels.subarray(from * values, to * values);
      const places = Int32Array.from({ length: to - from }, (_, at) => from + at);
      const right = rightOf(await attacker.load(pixels), labels);
      const { survived } = await attacker.attack({ pixels, labels, places }, pgd, this.run.seed);
      survivors += survived.filter((bit, at) => bit === 1 && right[at] === 1).length;
    }
    return survivors / count;
  }
}
