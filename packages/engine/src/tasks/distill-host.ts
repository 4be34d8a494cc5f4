import { emotions, type DistillMethodSpec, type SplitMetrics } from '@ferment/contracts';
import { z } from 'zod';
import { required } from '../required.js';
import { classGains, movingAverage } from './class-gains.js';
import { isDecoupled, names } from './distill.js';
import type { SavedTask, TableValues, TaskHost } from './host.js';
import { classCounts } from './rebalance.js';

export interface RunLength {
  /** Updates of the whole run. */
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

const savedState = z.strictObject({
  /** Moving average of the student's F1 by class; null before the first evaluation. */
  average: z.array(z.number()).nullable(),
  gains: z.array(z.number()),
  /** Sums since the last evaluation: weights [class][teacher], images of each class, entropies and steps. */
  weights: z.array(z.array(z.number())),
  images: z.array(z.number()),
  entropy: z.number(),
  steps: z.int(),
});
type State = z.output<typeof savedState>;

/**
 * The factor of the decoupled terms in update `step`: min(epoch / warmup, 1), epochs counted from 1 (Zhao et al.,
 * CVPR 2022: 20 of 240 epochs).
 *
 * @param warmup epochs; a twelfth of the run, at least 1, when left out
 */
export function decoupledWarmup(step: number, { steps, stepsPerEpoch }: RunLength, warmup?: number): number {
  const epoch = Math.floor(step / stepsPerEpoch) + 1;
  return Math.min(epoch / (warmup ?? Math.max(1, steps / stepsPerEpoch / 12)), 1);
}

/** Keeps a distillation's dynamics: class gains from the student's F1, and the mean weights of the teachers. */
export class DistillHost implements TaskHost {
  private readonly counts: number[];
  private state: State;

  /**
   * @param labels   of the training images
   * @param teachers their names, for series
   */
  constructor(
    private readonly method: DistillMethodSpec,
    readonly tables: TableValues,
    labels: Int32Array,
    private readonly teachers: readonly string[],
    private readonly length: RunLength,
  ) {
    this.counts = classCounts(labels, emotions.length);
    this.state = { average: null, gains: emotions.map(() => 1), ...this.nothingObserved() };
  }

  private nothingObserved(): Pick<State, 'weights' | 'images' | 'entropy' | 'steps'> {
    return {
      weights: emotions.map(() => this.teachers.map(() => 0)),
      images: emotions.map(() => 0),
      entropy: 0,
      steps: 0,
    };
  }

  inputs(step: number): TableValues {
    const { method, length } = this;
    return {
      ...(method.name === 'eadd' ? { [names.gains]: Float32Array.from(this.state.gains) } : {}),
      ...(isDecoupled(method)
        ? { [names.warmup]: Float32Array.of(decoupledWarmup(step, length, method.warmup)) }
        : {}),
    };
  }

  observe(labels: Int32Array, observations: TableValues): void {
    const sums = observations[names.weightSums];
    if (!sums) return;
    const { state, teachers } = this;
    classCounts(labels, emotions.length).forEach((count, label) => {
      state.images[label] = (state.images[label] ?? 0) + count;
    });
    state.weights = state.weights.map((row, label) =>
      row.map((sum, teacher) => sum + required(sums[label * teachers.length + teacher], 'a weight')),
    );
    state.entropy += required(observations[names.weightEntropy]?.[0], names.weightEntropy);
    state.steps += 1;
  }

  /** The weights and gains that the epoch's updates had; its F1 makes the gains of the next. */
  endEpoch(validation: SplitMetrics): Record<string, number> {
    const { method, teachers, state } = this;
    const series: Record<string, number> = {};
    if (state.steps > 0) series[`${method.name}.entropy`] = state.entropy / state.steps;
    emotions.forEach((emotion, label) => {
      const images = state.images[label] ?? 0;
      // A class that no batch held has no mean weight: its place in the row stays empty.
      if (images > 0)
        teachers.forEach((teacher, k) => {
          series[`${method.name}.weight.${teacher}.${emotion}`] = (state.weights[label]?.[k] ?? 0) / images;
        });
      if (method.name === 'eadd') series[`eadd.gain.${emotion}`] = state.gains[label] ?? 1;
    });
    if (method.name === 'eadd') {
      state.average = movingAverage(state.average, validation.f1);
      state.gains = classGains(state.average, this.counts, method.gamma);
    }
    this.state = { ...state, ...this.nothingObserved() };
    return series;
  }

  save(): SavedTask {
    return this.state;
  }

  restore(state: SavedTask | undefined): void {
    if (state !== undefined) this.state = savedState.parse(state);
  }
}
