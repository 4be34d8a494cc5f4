import { type MetricRow, type SelectMetric, type SplitMetrics } from '@ferment/contracts';
import { setImmediate } from 'node:timers/promises';
import type { TensorData } from '../capture/index.js';
import { scoreLogits } from '../metrics/score.js';
import { required } from '../required.js';
import { learningRate } from '../schedules/index.js';
import type { TaskHost } from '../tasks/index.js';
import { decodeCheckpoint, encodeCheckpoint, type CheckpointScalars, type Values } from './checkpoint.js';
import { balanced, DataOrder, shuffled } from './data-order.js';
import type { TrainingProgram } from './program.js';
import { Adversary } from './adversary.js';
import { hostOf, innerAttackOf } from './describe.js';
import type { TrainingInputs, TrainingOptions, TrainingResult } from './inputs.js';
import { metricSeries, splitLogits } from './score.js';
import { diverged, readFinite, writeFixed, writeFresh, type OpenedSession, type Session } from './session.js';
import { TrainingStopped } from './stopped.js';
import { observedPrefix } from './train-step.js';

interface Best {
  readonly step: number;
  readonly metric: number;
  readonly weights: Values;
}

const selected: Record<SelectMetric, { of: (metrics: SplitMetrics) => number; higherIsBetter: boolean }> = {
  'validation.accuracy': { of: ({ accuracy }) => accuracy, higherIsBetter: true },
  'validation.macroF1': { of: ({ macroF1 }) => macroF1, higherIsBetter: true },
  'validation.nll': { of: ({ nll }) => nll, higherIsBetter: false },
};

const progressMilliseconds = 250;

/** One training run from its first (or resumed) step to its last. */
export class Run {
  private readonly order: DataOrder;
  private readonly steps: number;
  private readonly host: TaskHost;
  private readonly session: Session;
  private readonly adversary: Adversary | null;
  private step = 0;
  private best: Best | null = null;
  /** The best by robust validation accuracy. */
  private robust: Best | null = null;
  private curve: MetricRow[] = [];
  /** The row of an epoch's last update until the evaluation completes it. */
  private pending: MetricRow | null = null;
  private imagesPerSecond = 0;
  private progressAt = 0;

  constructor(
    private readonly inputs: TrainingInputs,
    private readonly options: TrainingOptions,
    private readonly program: TrainingProgram,
    { session, adversarial }: OpenedSession,
  ) {
    this.session = session;
    const { train, seed } = inputs.params;
    const { count, labels } = inputs.data.train;
    const order = train.rebalance?.method === 'balanced-sampler' ? balanced(labels) : shuffled(count);
    this.order = new DataOrder(count, program.batch, seed, order);
    const { stepsPerEpoch } = this.order;
    this.steps = train.updates ?? (train.epochs ?? 0) * stepsPerEpoch;
    this.host = hostOf(inputs, program.task, { steps: this.steps, stepsPerEpoch });
    const inner = innerAttackOf(inputs);
    this.adversary =
      inner && adversarial ? new Adversary(adversarial, inner.attack, { seed, stepsPerEpoch }) : null;
    writeFixed(session, program, inputs, this.host.tables);
    if (inputs.resume) this.restore(inputs.resume);
    else writeFresh(session, program, inputs);
  }

  private restore(bytes: Uint8Array): void {
    const { params } = this.inputs;
    const expected = { model: params.model, seed: params.seed, steps: this.steps };
    const state = decodeCheckpoint(this.program.student, this.program.optimizer.slots, bytes, expected);
    this.session.write('model', state.weights);
    this.session.write('optimizer', state.slots);
    this.step = state.scalars.step;
    this.curve = [...(state.scalars.curve ?? [])];
    this.pending = state.scalars.pending ?? null;
    this.host.restore(state.scalars.task);
    if (state.scalars.best && state.best) this.best = { ...state.scalars.best, weights: state.best };
    if (state.scalars.robust && state.robust)
      this.robust = { ...state.scalars.robust, weights: state.robust };
  }

  /** Whether the most robust weights are an output: a distillation with an attack has those of any distillation. */
  private get keepsRobust(): boolean {
    return this.inputs.method === 'adversarial';
  }

  private get epoch(): number {
    return this.step / this.order.stepsPerEpoch;
  }

  private scalars(kind: CheckpointScalars['kind'], at = this.step): CheckpointScalars {
    const { params, data } = this.inputs;
    return {
      format: 1,
      kind,
      model: params.model,
      size: data.train.size,
      channels: data.train.channels,
      mean: data.mean,
      std: data.std,
      seed: params.seed,
      step: at,
      epoch: at / this.order.stepsPerEpoch,
      steps: this.steps,
      best: this.best && { step: this.best.step, metric: this.best.metric },
      ...(this.keepsRobust
        ? { robust: this.robust && { step: this.robust.step, metric: this.robust.metric } }
        : {}),
      ...(kind === 'resumable' ? this.progressSoFar() : {}),
    };
  }

  /** What only a run that goes on needs. */
  private progressSoFar(): Pick<CheckpointScalars, 'curve' | 'pending' | 'task'> {
    const task = this.host.save();
    return {
      curve: this.curve,
      ...(this.pending ? { pending: this.pending } : {}),
      ...(task === undefined ? {} : { task }),
    };
  }

  private async checkpoint(): Promise<void> {
    const bytes = encodeCheckpoint(this.program.student, {
      scalars: this.scalars('resumable'),
      weights: readFinite(this.session, 'model', this.step),
      slots: readFinite(this.session, 'optimizer', this.step),
      best: this.best?.weights ?? null,
      robust: this.robust?.weights ?? null,
    });
    await this.options.sink.checkpoint({ step: this.step, epoch: this.epoch, bytes });
  }

  /** One update; its figures. */
  private async update(): Promise<Record<string, number>> {
    const { params } = this.inputs;
    const started = performance.now();
    const rate = learningRate(params.train.schedule, params.train.optimizer.lr, this.step, {
      steps: this.steps,
      stepsPerEpoch: this.order.stepsPerEpoch,
    });
    const [beta1, beta2] = this.program.optimizer.betas ?? [0, 0];
    const indices = this.order.indices(this.step);
    const key = Int32Array.of(params.seed, this.step);
    const epsilon = this.adversary?.epsilon(this.step);
    await this.adversary?.prepare(this.step, { indices, key });
    const outputs = this.session.run('train', {
      ...this.host.inputs(this.step),
      indices,
      key,
      learningRate: Float32Array.of(rate),
      correction1: Float32Array.of(1 - beta1 ** (this.step + 1)),
      correction2: Float32Array.of(1 - beta2 ** (this.step + 1)),
    });
    this.step += 1;
    const values = this.figures(indices, outputs);
    const loss = values['train.loss'] ?? Number.NaN;
    if (!Number.isFinite(loss)) throw diverged(this.step, `the loss is ${loss}`);
    const current = (this.program.batch * 1000) / (performance.now() - started);
    this.imagesPerSecond = this.imagesPerSecond === 0 ? current : 0.9 * this.imagesPerSecond + 0.1 * current;
    values['train.learningRate'] = rate;
    if (epsilon !== undefined) values['train.epsilon'] = epsilon;
    values['train.imagesPerSecond'] = this.imagesPerSecond;
    return values;
  }

  /** Figures for the metric row; what is the task's alone goes to its host. */
  private figures(
    indices: Int32Array,
    outputs: Readonly<Record<string, TensorData>>,
  ): Record<string, number> {
    const values: Record<string, number> = {};
    const observed: Record<string, TensorData> = {};
    for (const [name, data] of Object.entries(outputs)) {
      if (name.startsWith(observedPrefix)) observed[name.slice(observedPrefix.length)] = data;
      else values[`train.${name}`] = data[0] ?? Number.NaN;
    }
    const { labels } = this.inputs.data.train;
    this.host.observe(
      indices.map((index) => required(labels[index], 'a label')),
      observed,
    );
    return values;
  }

  /** Scores the validation images; the signal stops it between two batches. */
  private async validate(): Promise<Record<string, number>> {
    const { data, params } = this.inputs;
    const score = (images: Uint8Array) =>
      required(this.session.run('evaluate', { images })['logits'], 'logits');
    const { signal } = this.options;
    const logits = await splitLogits(score, data.validation, this.program.evaluationBatch, signal);
    if (!logits.every(Number.isFinite)) throw diverged(this.step, "the network's output is no longer finite");
    const metrics = scoreLogits(logits, data.validation.labels, logits.length / data.validation.count);
    const { of, higherIsBetter } = selected[params.select.metric];
    const metric = of(metrics);
    if (!this.best || (higherIsBetter ? metric > this.best.metric : metric < this.best.metric))
      this.best = { step: this.step, metric, weights: readFinite(this.session, 'model', this.step) };
    return {
      ...metricSeries('validation', metrics),
      ...(await this.robustValidation()),
      ...this.host.endEpoch(metrics),
    };
  }

  /** Attacks the validation images, where the training has an attack. */
  private async robustValidation(): Promise<Record<string, number>> {
    if (!this.adversary) return {};
    const { validation } = this.inputs.data;
    const { signal } = this.options;
    const metric = await this.adversary.robustAccuracy(validation, this.program.evaluationBatch, signal);
    if (this.keepsRobust && (!this.robust || metric > this.robust.metric))
      this.robust = { step: this.step, metric, weights: readFinite(this.session, 'model', this.step) };
    return { 'validation.robustAccuracy': metric };
  }

  /** Completes the row that waits for the epoch's evaluation. */
  private async endEpoch(row: MetricRow): Promise<void> {
    const figures = await this.validate().catch((error: unknown) => {
      // The checkpoint from before this evaluation is where the run goes on: it evaluates again.
      throw error instanceof TrainingStopped ? new TrainingStopped(this.step) : error;
    });
    this.pending = null;
    this.report({ ...row, values: { ...row.values, ...figures } }, true);
  }

  private report(row: MetricRow, epochEnded: boolean): void {
    this.options.sink.metrics(row);
    if (epochEnded) this.curve.push(row);
    if (epochEnded || performance.now() - this.progressAt > progressMilliseconds) {
      this.progressAt = performance.now();
      const { step, steps, imagesPerSecond } = this;
      this.options.sink.progress({ step, steps, imagesPerSecond });
    }
  }

  async complete(): Promise<TrainingResult> {
    const { signal, checkpointEverySteps } = this.options;
    if (this.pending) await this.endEpoch(this.pending);
    while (this.step < this.steps) {
      // A run of the graph blocks the process; here it answers heartbeats and requests.
      await setImmediate();
      if (signal.aborted) {
        await this.checkpoint();
        throw new TrainingStopped(this.step);
      }
      const values = await this.update();
      const row: MetricRow = { step: this.step, epoch: this.epoch, time: Date.now(), values };
      const epochEnded = this.step % this.order.stepsPerEpoch === 0 || this.step === this.steps;
      if (epochEnded) {
        // Before the evaluation, so that stopping within it, however long it is, repeats no update.
        this.pending = row;
        await this.checkpoint();
        await this.endEpoch(row);
      } else {
        this.report(row, false);
        if (checkpointEverySteps && this.step % checkpointEverySteps === 0) await this.checkpoint();
      }
    }
    return this.result();
  }

  private result(): TrainingResult {
    const { best, robust, program, steps, curve } = this;
    if (!best) throw new Error('a finished run has been evaluated at least once');
    const encode = (scalars: CheckpointScalars, weights: Values, slots: Values) =>
      encodeCheckpoint(program.student, { scalars, weights, slots, best: null, robust: null });
    return {
      best: encode(this.scalars('best', best.step), best.weights, {}),
      robust: robust && encode(this.scalars('robust', robust.step), robust.weights, {}),
      last: encode(
        this.scalars('last'),
        readFinite(this.session, 'model', this.step),
        readFinite(this.session, 'optimizer', this.step),
      ),
      bestStep: best.step,
      bestMetric: best.metric,
      steps,
      curve,
    };
  }
}
