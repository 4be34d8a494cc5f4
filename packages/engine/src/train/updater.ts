import { setImmediate } from 'node:timers/promises';
import { type TensorData } from '../capture/index.js';
import { required } from '../required.js';
import { learningRate } from '../schedules/index.js';
import { marginAt, marginInput, type TaskHost } from '../tasks/index.js';
import type { Adversary } from './adversary.js';
import type { DataOrder } from './data-order.js';
import type { TrainingInputs } from './inputs.js';
import { lossScaleInput, type TrainingProgram } from './program.js';
import type { LossScaler } from './loss-scaler.js';
import { diverged, type Session } from './session.js';
import { finiteOutput, observedPrefix } from './train-step.js';

type Figures = Record<string, number>;

const normSeries = 'train.gradientNorm';
const finiteSeries = `train.${finiteOutput}`;
/** What is told once an update, not of each of its parts. */
const ofUpdate = new Set([normSeries, finiteSeries]);

/** The moving average's decay rises towards its own, so that the first weights do not weigh on it: TensorFlow's rule. */
const decayAt = (decay: number, step: number) => Math.min(decay, (1 + step) / (10 + step));

/** Does the updates of a run, each from its number alone: what it keeps from one to the next is in the session. */
export class Updater {
  private imagesPerSecond = 0;

  constructor(
    private readonly inputs: TrainingInputs,
    private readonly program: TrainingProgram,
    private readonly run: {
      readonly session: Session;
      readonly host: TaskHost;
      readonly order: DataOrder;
      readonly adversary: Adversary | null;
      /** Of the loss, where it is scaled. */
      readonly scaler: LossScaler | null;
      /** Updates of the whole run. */
      readonly steps: number;
    },
  ) {}

  /** What is fed in every part of update `step` (from 0). */
  private values(step: number, rate: number): Record<string, TensorData> {
    const { params } = this.inputs;
    const { host, order, scaler } = this.run;
    const { head } = params.model;
    const { ema } = params.train;
    const [beta1, beta2] = this.program.optimizer.betas ?? [0, 0];
    // An update that was left out is none of the optimizer's.
    const count = step + 1 - (scaler?.skipped ?? 0);
    return {
      ...host.inputs(step),
      learningRate: Float32Array.of(rate),
      correction1: Float32Array.of(1 - beta1 ** count),
      correction2: Float32Array.of(1 - beta2 ** count),
      ...(head && { [marginInput]: Float32Array.of(marginAt(head, step / order.stepsPerEpoch)) }),
      ...(ema !== null && { decay: Float32Array.of(decayAt(ema, step)) }),
      ...(scaler && { [lossScaleInput]: Float32Array.of(scaler.scale) }),
    };
  }

  /**
   * Update `step` (from 0), part by part.
   *
   * @param factor of the learning rate, on top of its schedule
   * @returns series for the metric row; a figure of a batch in parts is the mean over the parts. An update that was left
   *   out for gradients that are not finite has no norm of them
   * @throws JobFailure `diverged` when the loss is not finite
   */
  async update(step: number, factor: number): Promise<Figures> {
    const { params } = this.inputs;
    const { session, order, adversary, scaler, steps } = this.run;
    const { parts, batch } = this.program;
    const started = performance.now();
    const { schedule, optimizer } = params.train;
    const { stepsPerEpoch } = order;
    const rate = factor * learningRate(schedule, optimizer.lr, step, { steps, stepsPerEpoch });
    const update = order.indices(step);
    const values = this.values(step, rate);
    const figures: Figures = {};
    const lossScale = scaler?.scale;
    for (let part = 0; part < parts; part += 1) {
      // A run of the graph blocks the process; between two of them it answers whoever asks.
      if (part > 0) await setImmediate();
      const indices = update.slice(part * batch, (part + 1) * batch);
      const key = Int32Array.of(params.seed, step * parts + part);
      await adversary?.prepare(step, { indices, key });
      const fed = { ...values, indices, key, ...(parts > 1 && { update }) };
      const last = part === parts - 1;
      const told = this.figures(indices, session.run(last ? 'train' : 'accumulate', fed));
      for (const [name, value] of Object.entries(told))
        figures[name] = (figures[name] ?? 0) + (ofUpdate.has(name) ? value : value / parts);
    }
    const { [finiteSeries]: finite, [normSeries]: norm, ...shown } = figures;
    const loss = figures['train.loss'] ?? Number.NaN;
    if (!Number.isFinite(loss)) throw diverged(step + 1, `the loss is ${loss}`);
    scaler?.observe(finite === 1, step + 1);
    const current = (update.length * 1000) / (performance.now() - started);
    this.imagesPerSecond = this.imagesPerSecond === 0 ? current : 0.9 * this.imagesPerSecond + 0.1 * current;
    return {
      ...shown,
      ...(norm !== undefined && (!scaler || finite === 1) && { [normSeries]: norm }),
      'train.learningRate': rate,
      ...(lossScale !== undefined && { 'train.lossScale': lossScale }),
      ...(adversary && { 'train.epsilon': adversary.epsilon(step) }),
      'train.imagesPerSecond': this.imagesPerSecond,
    };
  }

  /** Figures for the metric row; what is the task's alone goes to its host. */
  private figures(indices: Int32Array, outputs: Readonly<Record<string, TensorData>>): Figures {
    const values: Figures = {};
    const observed: Record<string, TensorData> = {};
    for (const [name, data] of Object.entries(outputs)) {
      if (name.startsWith(observedPrefix)) observed[name.slice(observedPrefix.length)] = data;
      else values[`train.${name}`] = data[0] ?? Number.NaN;
    }
    const { labels } = this.inputs.data.train;
    this.run.host.observe(
      indices.map((index) => required(labels[index], 'a label')),
      observed,
    );
    return values;
  }
}
