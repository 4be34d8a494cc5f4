import type { SelectMetric, SplitMetrics } from '@ferment/contracts';
import { setImmediate } from 'node:timers/promises';
import { scoreLogits } from '@ferment/statistics';
import { permutation, randomStream } from '../random/index.js';
import { required } from '../required.js';
import type { TaskHost } from '../tasks/index.js';
import type { Adversary } from './adversary.js';
import type { Values } from './checkpoint.js';
import type { TrainingInputs } from './inputs.js';
import { evaluatedRole, type TrainingProgram } from './program.js';
import { metricSeries, splitLogits } from './score.js';
import { diverged, readFinite, type Session } from './session.js';
import { TrainingStopped } from './stopped.js';

/** The weights with the best value of a metric so far. */
export interface Best {
  readonly step: number;
  readonly metric: number;
  readonly weights: Values;
}

const selected: Record<SelectMetric, { of: (metrics: SplitMetrics) => number; higherIsBetter: boolean }> = {
  'validation.accuracy': { of: ({ accuracy }) => accuracy, higherIsBetter: true },
  'validation.macroF1': { of: ({ macroF1 }) => macroF1, higherIsBetter: true },
  'validation.nll': { of: ({ nll }) => nll, higherIsBetter: false },
};

/** Whether a higher value of the metric is the better one. */
export const higherIsBetter = (metric: SelectMetric) => selected[metric].higherIsBetter;

/** Scores the network on the validation images and keeps the best weights. */
export class Validator {
  best: Best | null = null;
  /** The best by robust validation accuracy. */
  robust: Best | null = null;

  constructor(
    private readonly inputs: TrainingInputs,
    private readonly program: TrainingProgram,
    private readonly run: {
      readonly session: Session;
      readonly host: TaskHost;
      readonly adversary: Adversary | null;
      readonly signal: AbortSignal;
    },
  ) {}

  /** Whether the most robust weights are an output: a distillation with an attack has those of any distillation. */
  get keepsRobust(): boolean {
    return this.inputs.method === 'adversarial';
  }

  /** The evaluated network as it is after `step` updates. */
  weights(step: number): Values {
    return readFinite(this.run.session, evaluatedRole(this.program), step);
  }

  /**
   * Scores the validation images; the signal stops it between two runs of the graph.
   *
   * @param step updates done
   * @returns series for the epoch's metric row, and the value of the selected metric
   * @throws TrainingStopped; JobFailure `diverged` when the network's output is not finite
   */
  async validate(step: number): Promise<{ series: Record<string, number>; metric: number }> {
    const { data, params } = this.inputs;
    const { session, host, signal } = this.run;
    await this.recalibrate();
    const score = (images: Uint8Array) => required(session.run('evaluate', { images })['logits'], 'logits');
    const logits = await splitLogits(score, data.validation, this.program.evaluationBatch, signal);
    if (!logits.every(Number.isFinite)) throw diverged(step, "the network's output is no longer finite");
    const metrics = scoreLogits(logits, data.validation.labels, logits.length / data.validation.count);
    const metric = selected[params.select.metric].of(metrics);
    if (!this.best || this.isBetter(metric, this.best.metric))
      this.best = { step, metric, weights: this.weights(step) };
    const robust = await this.robustValidation(step);
    return {
      series: { ...metricSeries('validation', metrics), ...robust, ...host.endEpoch(metrics) },
      metric,
    };
  }

  private isBetter(metric: number, best: number): boolean {
    return higherIsBetter(this.inputs.params.select.metric) ? metric > best : metric < best;
  }

  /** Gives the evaluated network's batch norms the mean statistics of some batches, the same images every time. */
  private async recalibrate(): Promise<void> {
    const { params, data } = this.inputs;
    const { session, signal } = this.run;
    const { batch, recalibrated, average } = this.program;
    if (!recalibrated || params.train.recalibrate === null) return;
    if (!average) session.run('snapshot', {});
    const images = permutation(randomStream(params.seed, 'recalibration'), data.train.count);
    const batches = Math.min(params.train.recalibrate, Math.floor(images.length / batch));
    for (let at = 0; at < batches; at += 1) {
      await setImmediate();
      if (signal.aborted) throw new TrainingStopped(null);
      session.run('recalibrate', {
        indices: images.slice(at * batch, (at + 1) * batch),
        key: Int32Array.of(params.seed, -1 - at),
        newest: Float32Array.of(1 / (at + 1)),
      });
    }
  }

  /** Attacks the validation images, where the training has an attack. */
  private async robustValidation(step: number): Promise<Record<string, number>> {
    const { adversary, signal } = this.run;
    if (!adversary) return {};
    const { validation } = this.inputs.data;
    const metric = await adversary.robustAccuracy(validation, this.program.evaluationBatch, signal);
    if (this.keepsRobust && (!this.robust || metric > this.robust.metric))
      this.robust = { step, metric, weights: this.weights(step) };
    return { 'validation.robustAccuracy': metric };
  }
}
