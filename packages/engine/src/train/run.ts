import { type MetricRow } from '@ferment/contracts';
import { setImmediate } from 'node:timers/promises';
import { Plateau } from '../schedules/index.js';
import type { TaskHost } from '../tasks/index.js';
import { decodeCheckpoint, encodeCheckpoint, type CheckpointScalars, type Values } from './checkpoint.js';
import { balanced, DataOrder, shuffled } from './data-order.js';
import { Adversary } from './adversary.js';
import { hostOf, innerAttackOf } from './describe.js';
import type { TrainingInputs, TrainingOptions, TrainingResult } from './inputs.js';
import { scalesLoss, type TrainingProgram } from './program.js';
import { LossScaler } from './loss-scaler.js';
import { readFinite, writeFixed, writeFresh, type OpenedSession, type Session } from './session.js';
import { TrainingStopped } from './stopped.js';
import { Updater } from './updater.js';
import { higherIsBetter, Validator } from './validator.js';

const progressMilliseconds = 250;

/** One training run from its first (or resumed) step to its last. */
export class Run {
  private readonly order: DataOrder;
  private readonly steps: number;
  /** Where it stops: at its end, or after the epoch that it is to stop after. */
  private readonly until: number;
  private readonly host: TaskHost;
  private readonly session: Session;
  private readonly updater: Updater;
  private readonly validator: Validator;
  /** The learning rate's factor that follows the validation; null under any other schedule. */
  private readonly plateau: Plateau | null;
  /** Of the loss, in float16. */
  private readonly scaler: LossScaler | null;
  private step = 0;
  private curve: MetricRow[] = [];
  /** The row of an epoch's last update until the evaluation completes it. */
  private pending: MetricRow | null = null;
  private progressAt = 0;

  constructor(
    private readonly inputs: TrainingInputs,
    private readonly options: TrainingOptions,
    private readonly program: TrainingProgram,
    { session, adversarial }: OpenedSession,
  ) {
    this.session = session;
    const { train, seed, select } = inputs.params;
    const { count, labels } = inputs.data.train;
    const order = train.rebalance?.method === 'balanced-sampler' ? balanced(labels) : shuffled(count);
    this.order = new DataOrder(count, train.batch, seed, order);
    const { stepsPerEpoch } = this.order;
    this.steps = train.updates ?? (train.epochs ?? 0) * stepsPerEpoch;
    this.until = Math.min(this.steps, (inputs.params.untilEpoch ?? Infinity) * stepsPerEpoch);
    this.host = hostOf(inputs, program.task, { steps: this.steps, stepsPerEpoch });
    const inner = innerAttackOf(inputs);
    const adversary =
      inner && adversarial ? new Adversary(adversarial, inner.attack, { seed, stepsPerEpoch }) : null;
    const shared = { session, host: this.host, adversary };
    this.scaler = scalesLoss(program) ? new LossScaler() : null;
    const updated = { scaler: this.scaler, order: this.order, steps: this.steps };
    this.updater = new Updater(inputs, program, { ...shared, ...updated });
    this.validator = new Validator(inputs, program, { ...shared, signal: options.signal });
    const { schedule } = train;
    this.plateau = schedule.name === 'plateau' ? new Plateau(schedule, higherIsBetter(select.metric)) : null;
    writeFixed(session, program, inputs, this.host.tables);
    if (inputs.resume) this.restore(inputs.resume);
    else writeFresh(session, program, inputs);
  }

  private restore(bytes: Uint8Array): void {
    const { params } = this.inputs;
    const expected = { model: params.model, seed: params.seed, steps: this.steps };
    const { student, optimizer, average } = this.program;
    const state = decodeCheckpoint(student, { slots: optimizer.slots, average }, bytes, expected);
    this.session.write('model', state.weights);
    this.session.write('optimizer', state.slots);
    if (state.average) this.session.write('evaluated', state.average);
    this.step = state.scalars.step;
    this.curve = [...(state.scalars.curve ?? [])];
    this.pending = state.scalars.pending ?? null;
    this.host.restore(state.scalars.task);
    if (state.scalars.plateau) this.plateau?.restore(state.scalars.plateau);
    if (state.scalars.lossScale) this.scaler?.restore(state.scalars.lossScale);
    const { validator } = this;
    if (state.scalars.best && state.best) validator.best = { ...state.scalars.best, weights: state.best };
    if (state.scalars.robust && state.robust)
      validator.robust = { ...state.scalars.robust, weights: state.robust };
  }

  private get epoch(): number {
    return this.step / this.order.stepsPerEpoch;
  }

  private scalars(kind: CheckpointScalars['kind'], at = this.step): CheckpointScalars {
    const { params, data } = this.inputs;
    const { best, robust, keepsRobust } = this.validator;
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
      best: best && { step: best.step, metric: best.metric },
      ...(keepsRobust ? { robust: robust && { step: robust.step, metric: robust.metric } } : {}),
      ...(kind === 'resumable' ? this.progressSoFar() : {}),
    };
  }

  /** What only a run that goes on needs. */
  private progressSoFar(): Pick<CheckpointScalars, 'curve' | 'pending' | 'task' | 'plateau' | 'lossScale'> {
    const task = this.host.save();
    return {
      curve: this.curve,
      ...(this.pending ? { pending: this.pending } : {}),
      ...(task === undefined ? {} : { task }),
      ...(this.plateau && { plateau: this.plateau.save() }),
      ...(this.scaler && { lossScale: this.scaler.save() }),
    };
  }

  private async checkpoint(): Promise<void> {
    const bytes = this.state(this.scalars('resumable'));
    await this.options.sink.checkpoint({ step: this.step, epoch: this.epoch, bytes });
  }

  /** Everything that the next step depends on. */
  private state(scalars: CheckpointScalars): Uint8Array {
    const { best, robust } = this.validator;
    return encodeCheckpoint(this.program.student, {
      scalars,
      weights: readFinite(this.session, 'model', this.step),
      slots: readFinite(this.session, 'optimizer', this.step),
      average: this.program.average ? readFinite(this.session, 'evaluated', this.step) : null,
      best: best?.weights ?? null,
      robust: robust?.weights ?? null,
    });
  }

  /**
   * What a run that was to stop before its end leaves for another job to go on from: the state of a checkpoint without
   * clock times, so that the same run leaves the same bytes.
   */
  private unfinished(): Uint8Array {
    const scalars = this.scalars('resumable');
    const curve = this.curve.map((row) => ({ ...row, time: 0, values: validated(row.values) }));
    return this.state({ ...scalars, curve });
  }

  /** Completes the row that waits for the epoch's evaluation. */
  private async endEpoch(row: MetricRow): Promise<void> {
    const { series, metric } = await this.validator.validate(this.step).catch((error: unknown) => {
      // The checkpoint from before this evaluation is where the run goes on: it evaluates again.
      throw error instanceof TrainingStopped ? new TrainingStopped(this.step) : error;
    });
    this.plateau?.observe(metric);
    this.pending = null;
    this.report({ ...row, values: { ...row.values, ...series } }, true);
  }

  private report(row: MetricRow, epochEnded: boolean): void {
    this.options.sink.metrics(row);
    if (epochEnded) this.curve.push(row);
    if (epochEnded || performance.now() - this.progressAt > progressMilliseconds) {
      this.progressAt = performance.now();
      const imagesPerSecond = row.values['train.imagesPerSecond'] ?? 0;
      this.options.sink.progress({ step: this.step, steps: this.steps, imagesPerSecond });
    }
  }

  async complete(): Promise<TrainingResult> {
    const { signal, checkpointEverySteps } = this.options;
    if (this.pending) await this.endEpoch(this.pending);
    while (this.step < this.until) {
      // A run of the graph blocks the process; here it answers heartbeats and requests.
      await setImmediate();
      if (signal.aborted) {
        await this.checkpoint();
        throw new TrainingStopped(this.step);
      }
      const values = await this.updater.update(this.step, this.plateau?.factor ?? 1);
      this.step += 1;
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
    const { program, steps, curve, validator } = this;
    const { best, robust } = validator;
    if (!best) throw new Error('a finished run has been evaluated at least once');
    const encode = (scalars: CheckpointScalars, weights: Values, slots: Values) =>
      encodeCheckpoint(program.student, { scalars, weights, slots, average: null, best: null, robust: null });
    return {
      best: encode(this.scalars('best', best.step), best.weights, {}),
      robust: robust && encode(this.scalars('robust', robust.step), robust.weights, {}),
      last:
        this.inputs.params.untilEpoch === undefined
          ? encode(
              this.scalars('last'),
              validator.weights(this.step),
              readFinite(this.session, 'optimizer', this.step),
            )
          : this.unfinished(),
      bestStep: best.step,
      bestMetric: best.metric,
      steps,
      doneSteps: this.step,
      curve,
    };
  }
}

/** The validation figures of a row. */
function validated(values: MetricRow['values']): MetricRow['values'] {
  return Object.fromEntries(Object.entries(values).filter(([series]) => series.startsWith('validation.')));
}
