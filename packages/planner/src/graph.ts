import {
  isTrainingKind,
  memberStages,
  needsOutOfFold,
  stageNetwork,
  stageOf,
  stageTraining,
  type ExperimentSpec,
  type JobCost,
  type JobKind,
  type JobParams,
  type ModelSpec,
  type NetworkSpec,
  type PinnedData,
  type PlannedInput,
  type PlannedJob,
  type StageOf,
  type StageTraining,
  type TrainingKind,
  type TrainSpec,
} from '@ferment/contracts';
import {
  adversarialCost,
  distillCost,
  epochsOf,
  evaluationCost,
  foldSizes,
  partCost,
  splitSizes,
  trainingCost,
  updatesOf,
  type SplitSizes,
} from './cost.js';
import type { Known } from './known.js';
import { pinnedDataOf } from './resolve.js';
import { plannedJob } from './single-jobs.js';
import { outputOf, reachableStages, sharedStages } from './stages.js';

/** A job's output, to be some job's input. */
interface Source {
  from: string;
  output: string;
}

type Roles = Record<string, string>;

/** How far the result's training is planned, where early stopping decides on the way. */
export interface Rungs {
  /** After which epochs it is decided whether it goes on, ascending; each part until then is a job. */
  readonly epochs: readonly number[];
  /** The place in `epochs` up to which there are jobs; as many as there are epochs: to the end. */
  readonly reached: number;
}

const noRungs: Rungs = { epochs: [], reached: 0 };

/** Jobs of all trials by key, in an order in which every job stands behind its inputs. */
export class JobGraph {
  readonly jobs = new Map<string, PlannedJob>();
  private readonly keys = new Map<string, string>();

  constructor(
    readonly known: Known,
    private readonly fresh: string | undefined,
  ) {}

  /** Plans the trials of one configuration on one fold: a function of the seed to the job key of each role. */
  configuration(spec: ExperimentSpec, fold: number | null, rungs: Rungs = noRungs): (seed: number) => Roles {
    const data = pinnedDataOf(spec, fold);
    const stages = reachableStages(spec);
    const sharedNames = sharedStages(spec);
    const shared: Roles = {};
    return (seed) => {
      const roles: Roles = { ...shared };
      for (const name of stages) {
        if (Object.hasOwn(roles, name)) continue;
        const before = new Set(Object.keys(roles));
        new StageJobs(this, spec, data, { seed, roles, rungs }).plan(name);
        if (!sharedNames.has(name)) continue;
        for (const [role, key] of Object.entries(roles)) if (!before.has(role)) shared[role] = key;
      }
      return roles;
    };
  }

  add<K extends JobKind>(
    kind: K,
    params: JobParams<K>,
    inputs: PlannedInput[],
    stage: string,
    threads: number,
    cost: () => JobCost | null,
  ): string {
    // Equal text is equal work (the reverse need not hold), and far cheaper to make than a content key.
    const text = JSON.stringify([kind, params, inputs]);
    const known = this.keys.get(text);
    if (known !== undefined) return known;
    const job = plannedJob(kind, params, inputs, { stage, threads, cost: cost(), fresh: this.fresh });
    if (!this.jobs.has(job.key)) this.jobs.set(job.key, job);
    this.keys.set(text, job.key);
    return job.key;
  }
}

const noCost = (): JobCost => ({ images: 0, macs: 0 });

/** A step of a pipeline that trains on every fold but one has this seed. */
const foldSeed = 0;

/** Adds one trial's jobs of a stage to the graph, and their keys to the trial's roles. */
class StageJobs {
  private readonly sizes: SplitSizes | null;
  private readonly seed: number;
  private readonly roles: Roles;
  private readonly rungs: Rungs;

  constructor(
    private readonly graph: JobGraph,
    private readonly spec: ExperimentSpec,
    private readonly data: PinnedData,
    { seed, roles, rungs }: { seed: number; roles: Roles; rungs: Rungs },
  ) {
    this.seed = seed;
    this.roles = roles;
    this.rungs = rungs;
    this.sizes = splitSizes(graph.known, data);
  }

  plan(name: string): void {
    const stage = stageOf(this.spec, name);
    switch (stage?.kind) {
      case undefined:
        return;
      case 'refine':
        this.refine(name, stage);
        return;
      case 'weights':
        this.weights(name, stage);
        return;
      case 'train':
        this.train(name, stage);
        break;
      case 'distill':
        this.distill(name, stage);
        break;
      case 'adversarial':
        this.adversarial(name, stage);
        break;
      case 'ensemble':
        this.ensemble(name, stage);
        break;
      case 'calibrate':
        this.calibrate(name, stage);
        break;
    }
    if (this.roles[name] !== undefined) this.evaluations(name);
  }

  /**
   * The training of a stage: one job, or, of a result that early stopping looks at, a chain of jobs which go on from one
   * another with the schedule of the whole run; no job plays the stage's own role before the chain has come to its end.
   */
  private addTraining<K extends TrainingKind>(
    name: string,
    kind: K,
    params: JobParams<K>,
    given: PlannedInput[],
    costOf: (sizes: SplitSizes) => JobCost,
  ): void {
    const { epochs, reached } = name === this.spec.result ? this.rungs : noRungs;
    const { train } = params;
    const { sizes } = this;
    const all = sizes && (train.epochs ?? epochsOf(train, sizes.train));
    const add = (own: JobParams<K>, before: PlannedInput[], part: number): string =>
      this.graph.add(
        kind,
        own,
        [...given, ...before],
        name,
        train.threads,
        () => sizes && partOf(costOf(sizes), part),
      );
    let before: PlannedInput[] = [];
    let done = 0;
    for (const [rung, untilEpoch] of epochs.entries()) {
      const key = add({ ...params, untilEpoch }, before, all === null ? 1 : (untilEpoch - done) / all);
      this.roles[`${name}:epoch-${untilEpoch}`] = key;
      if (rung === reached) return;
      before = inputs('continues', [{ from: key, output: 'last' }]);
      done = untilEpoch;
    }
    this.roles[name] = add(params, before, all === null ? 1 : (all - done) / all);
  }

  /** The output of a stage that stands before this one. */
  private source(stage: string): Source {
    const from = this.roles[stage];
    const kind = stageOf(this.spec, stage)?.kind;
    if (from === undefined || kind === undefined) throw new Error(`"${stage}" is read before it is planned`);
    return { from, output: outputOf[kind] };
  }

  private dataInput(stage: string | undefined): PlannedInput[] {
    return stage === undefined ? [] : inputs('data', [this.source(stage)]);
  }

  private training(name: string): StageTraining {
    const training = stageTraining(this.spec, name);
    if (training === null) throw new Error(`stage "${name}" trains nothing`);
    return training;
  }

  /** Refined data has fewer images: its trainings take as many updates as on all of them. */
  private equalised({ train, data }: StageTraining): TrainSpec {
    if (data === undefined || this.sizes === null || train.updates !== undefined) return train;
    const { epochs: _epochs, ...rest } = train;
    return { ...rest, updates: updatesOf(train, this.sizes.train) };
  }

  private refine(name: string, { steps, overrides }: StageOf<'refine'>): void {
    const errors = steps.flatMap((step) => step.labelErrors ?? [])[0];
    const predictions = errors ? this.folds(name, errors.folds, errors, undefined) : [];
    const params = { data: this.data, steps, overrides };
    this.roles[name] = this.graph.add('refine', params, inputs('predictions', predictions), name, 1, noCost);
  }

  private weights(name: string, { file, model, except }: StageOf<'weights'>): void {
    const params = { file, model, except, preprocess: this.data.preprocess };
    this.roles[name] = this.graph.add('weights', params, [], name, 1, noCost);
  }

  /** Predictions of each fold of the training images by a network trained on the others. */
  private folds(
    role: string,
    folds: number,
    { model, train }: { model: ModelSpec; train: TrainSpec },
    dataStage: string | undefined,
  ): Source[] {
    const sizes = this.sizes && foldSizes(this.sizes, folds);
    return Array.from({ length: folds }, (_, fold) => {
      const data = { ...this.data, outOfFold: { folds, fold } };
      const params = { data, model, train, select: this.spec.select, seed: foldSeed };
      const trained = this.graph.add(
        'train',
        params,
        this.dataInput(dataStage),
        stageOfRole(role),
        train.threads,
        () => sizes && trainingCost(params, [], sizes),
      );
      this.roles[`${role}:fold-${fold}`] = trained;
      return this.predict(`${role}:held-out-${fold}`, { from: trained, output: 'best' }, 'held-out', {
        data,
        model,
        threads: train.threads,
        dataStage,
      });
    });
  }

  private predict(
    role: string,
    network: Source,
    part: JobParams<'predict'>['part'],
    of: { data: PinnedData; model: NetworkSpec; threads: number; dataStage: string | undefined },
  ): Source {
    const { data, model, threads } = of;
    const from = this.graph.add(
      'predict',
      { data, model, part },
      [...this.dataInput(of.dataStage), ...inputs('checkpoint', [network])],
      stageOfRole(role),
      threads,
      () => this.sizes && partCost(model, data, this.sizes, part),
    );
    this.roles[role] = from;
    return { from, output: 'logits' };
  }

  /** A stage's predictions of the validation images. */
  private validation(name: string): Source {
    const model = stageNetwork(this.spec, name);
    if (model === null) throw new Error(`stage "${name}" has no network`);
    return this.predict(`${name}:validation`, this.source(name), 'validation', {
      data: this.data,
      model,
      threads: this.threads(name),
      dataStage: this.dataStage(name),
    });
  }

  private threads(name: string): number {
    return Math.max(...memberStages(this.spec, name).map((member) => this.training(member).train.threads));
  }

  /** The refined data that a network was trained on (of an ensemble: its first member). */
  private dataStage(name: string): string | undefined {
    const [first] = memberStages(this.spec, name);
    return first === undefined ? undefined : this.training(first).data;
  }

  private train(name: string, { seed, start }: StageOf<'train'>): void {
    const params = this.trainParams(name, seed);
    const given = [...this.dataInput(this.training(name).data), ...this.startInput(start)];
    this.addTraining(name, 'train', params, given, (sizes) => trainingCost(params, [], sizes));
  }

  private startInput(start: string | undefined): PlannedInput[] {
    return start === undefined ? [] : inputs('start', [this.source(start)]);
  }

  private trainParams(name: string, seed: number | undefined): JobParams<'train'> {
    const training = this.training(name);
    return {
      data: this.data,
      model: training.model,
      train: this.equalised(training),
      select: this.spec.select,
      seed: seed ?? this.seed,
    };
  }

  private distill(name: string, stage: StageOf<'distill'>): void {
    const { method, teachers } = stage;
    const params = { ...this.trainParams(name, stage.seed), method };
    const taught = teachers.map((teacher) =>
      method.calibrated ? this.calibrated(teacher) : this.source(teacher),
    );
    const outOfFold = needsOutOfFold(stage) ? this.outOfFold(name, stage) : [];
    const models = teachers.flatMap((teacher) => stageNetwork(this.spec, teacher) ?? []);
    const given = [
      ...this.dataInput(stage.data),
      ...inputs('teachers', taught),
      ...this.startInput(stage.start),
      ...inputs('outOfFold', outOfFold),
    ];
    this.addTraining(name, 'distill', params, given, (sizes) => distillCost(params, models, sizes));
  }

  /** Each teacher's training once more on all folds but one, on the student's images. */
  private outOfFold(name: string, { method, teachers, data }: StageOf<'distill'>): Source[] {
    if (method.name !== 'eadd') return [];
    const { folds, epochs } = method.outOfFold;
    return teachers.flatMap((teacher) => {
      const { model, train } = this.training(teacher);
      return this.folds(`${name}:${teacher}`, folds, { model, train: withEpochs(train, epochs) }, data);
    });
  }

  /** A network with its temperature; one that has temperatures already stays as it is. */
  private calibrated(name: string): Source {
    if (!isTrainingKind(stageOf(this.spec, name)?.kind ?? '')) return this.source(name);
    return this.fitTemperature(`${name}:calibrated`, name);
  }

  private fitTemperature(role: string, name: string): Source {
    const from = this.graph.add(
      'calibrate',
      { members: [this.trained(name)] },
      [...inputs('checkpoint', [this.source(name)]), ...inputs('logits', [this.validation(name)])],
      stageOfRole(role),
      1,
      noCost,
    );
    this.roles[role] = from;
    return { from, output: outputOf.calibrate };
  }

  private trained(name: string): JobParams<'calibrate'>['members'][number] {
    const training = this.training(name);
    return { data: this.data, model: training.model, train: this.equalised(training) };
  }

  private adversarial(name: string, stage: StageOf<'adversarial'>): void {
    const params = { ...this.trainParams(name, stage.seed), method: stage.method };
    const given = [
      ...this.dataInput(this.training(name).data),
      ...inputs('start', [this.source(stage.start)]),
    ];
    this.addTraining(name, 'adversarial', params, given, (sizes) => adversarialCost(params, sizes));
  }

  private ensemble(name: string, { members, fusion }: StageOf<'ensemble'>): void {
    const logits = fusion.fit ? members.map((member) => this.validation(member)) : [];
    const params = { members: members.map((member) => this.trained(member)), fusion };
    const given = [
      ...inputs(
        'members',
        members.map((member) => this.source(member)),
      ),
      ...inputs('logits', logits),
    ];
    this.roles[name] = this.graph.add('ensemble', params, given, name, 1, noCost);
  }

  private calibrate(name: string, { of }: StageOf<'calibrate'>): void {
    this.fitTemperature(name, of);
  }

  /** A stage's network is scored on the experiment's data, the result's on the others too, and under attack. */
  private evaluations(name: string): void {
    const { dataset } = this.data;
    if (name !== this.spec.result) {
      this.evaluation(`evaluate:${dataset}:${name}`, name, this.data, null);
      return;
    }
    const robustness = robustnessOf(this.spec);
    this.evaluation(`evaluate:${dataset}`, name, this.data, robustness);
    for (const other of otherData(this.spec, this.data)) {
      this.evaluation(`evaluate:${other.dataset}`, name, other, robustness);
    }
    this.export(name);
  }

  // A checkpoint is read with the threads it was trained with, so that the process that trained it can go on.
  private evaluation(
    role: string,
    name: string,
    data: PinnedData,
    robustness: JobParams<'evaluate'>['robustness'],
  ): void {
    const model = stageNetwork(this.spec, name);
    if (model === null) throw new Error(`stage "${name}" has no network`);
    const own = data.dataset === this.data.dataset;
    const { testTime } = this.spec.evaluate;
    this.roles[role] = this.graph.add(
      'evaluate',
      { data, model, testTime, robustness },
      [...(own ? this.dataInput(this.dataStage(name)) : []), ...inputs('checkpoint', [this.source(name)])],
      name,
      this.threads(name),
      () => {
        const sizes = splitSizes(this.graph.known, data);
        return sizes && evaluationCost(model, data, sizes, { testTime, robustness });
      },
    );
  }

  private export(name: string): void {
    if (!isTrainingKind(stageOf(this.spec, name)?.kind ?? '')) return;
    const { model, train, data } = this.training(name);
    this.roles['export'] = this.graph.add(
      'export',
      { data: this.data, model },
      [...this.dataInput(data), ...inputs('checkpoint', [this.source(name)])],
      name,
      train.threads,
      noCost,
    );
  }
}

function inputs(role: string, sources: readonly Source[]): PlannedInput[] {
  return sources.map(({ from, output }, position) => ({ role, position, from, output }));
}

function partOf({ images, macs, ...rest }: JobCost, part: number): JobCost {
  return { images: Math.round(images * part), macs: Math.round(macs * part), ...rest };
}

/** `student:rn:fold-2` is work for the stage "student". */
function stageOfRole(role: string): string {
  return role.split(':')[0] ?? role;
}

function withEpochs(train: TrainSpec, epochs: number | undefined): TrainSpec {
  if (epochs === undefined) return train;
  const { updates: _updates, ...rest } = train;
  return { ...rest, epochs };
}

/** What the result is put through besides clean images; null where the spec asks for nothing. */
function robustnessOf({ evaluate }: ExperimentSpec): JobParams<'evaluate'>['robustness'] {
  const { on: _on, testTime: _testTime, ...robustness } = evaluate;
  return robustness.attacks.length === 0 && robustness.corruptions === null ? null : robustness;
}

/**
 * Further data sets on which the result is scored, whole, under the experiment's labels and preprocessing. Under
 * `subject-folds` all of their pictures are test: the network has seen none of them.
 */
function otherData(spec: ExperimentSpec, { labels, classes, preprocess }: PinnedData): PinnedData[] {
  return spec.evaluate.on
    .filter((entry) => entry.dataset !== spec.data.dataset)
    .map((entry) =>
      pinnedDataOf({ ...spec, data: { ...entry, labels, classes, preprocess, subset: null } }, null),
    );
}
