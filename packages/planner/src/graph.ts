import {
  stageOf,
  stageReferences,
  type ExperimentSpec,
  type JobCost,
  type JobKind,
  type JobParams,
  type PinnedData,
  type PlannedInput,
  type PlannedJob,
  type StageSpec,
} from '@ferment/contracts';
import { evaluationCost, splitSizes, trainingCost, type SplitSizes } from './cost.js';
import type { Known } from './known.js';
import { pinnedDataOf } from './resolve.js';
import { plannedJob } from './single-jobs.js';

/** Stages that the result depends on, the result among them, every stage behind the ones it reads. */
export function reachableStages(spec: ExperimentSpec): string[] {
  const ordered: string[] = [];
  const visit = (name: string): void => {
    const stage = stageOf(spec, name);
    if (!stage || ordered.includes(name)) return;
    for (const reference of stageReferences(name, stage)) visit(reference.stage);
    ordered.push(name);
  };
  visit(spec.result);
  return ordered;
}

/** Reachable stages that are one draw for all trials: their own seed is fixed, and that of all they read. */
export function fixedStages(spec: ExperimentSpec): string[] {
  const fixed = new Set<string>();
  for (const name of reachableStages(spec)) {
    const stage = stageOf(spec, name);
    if (stage?.seed === undefined) continue;
    if (stageReferences(name, stage).every((reference) => fixed.has(reference.stage))) fixed.add(name);
  }
  return [...fixed];
}

/** Jobs of all trials by key, in an order in which every job stands behind its inputs. */
export class JobGraph {
  readonly jobs = new Map<string, PlannedJob>();
  private readonly keys = new Map<string, string>();

  constructor(
    private readonly known: Known,
    private readonly fresh: string | undefined,
  ) {}

  /** Plans the trials of one configuration: a function of the seed to the job key of each role. */
  configuration(spec: ExperimentSpec): (seed: number) => Record<string, string> {
    const data = pinnedDataOf(spec);
    const sizes = splitSizes(this.known, data);
    const stages = reachableStages(spec);
    const fixed = new Set(fixedStages(spec));
    const shared: Record<string, string> = {};
    return (seed) => {
      const roles: Record<string, string> = { ...shared };
      for (const name of stages) {
        const stage = stageOf(spec, name);
        if (!stage || Object.hasOwn(roles, name)) continue;
        const own: Record<string, string> = {};
        own[name] = this.training(spec, data, sizes, name, stage, stage.seed ?? seed, roles);
        const checkpoint = own[name];
        if (name !== spec.result) {
          own[`evaluate:${data.dataset}:${name}`] = this.evaluation(data, stage, checkpoint, name);
        } else {
          own[`evaluate:${data.dataset}`] = this.evaluation(data, stage, checkpoint, name);
          for (const other of otherData(spec, data)) {
            own[`evaluate:${other.dataset}`] = this.evaluation(other, stage, checkpoint, name);
          }
          own['export'] = this.export(data, stage, checkpoint, name);
        }
        Object.assign(roles, own);
        if (fixed.has(name)) Object.assign(shared, own);
      }
      return roles;
    };
  }

  private training(
    spec: ExperimentSpec,
    data: PinnedData,
    sizes: SplitSizes | null,
    name: string,
    stage: StageSpec,
    seed: number,
    roles: Readonly<Record<string, string>>,
  ): string {
    const params = { data, model: stage.model, train: stage.train, select: spec.select, seed };
    const input = (role: string, position: number, from: string): PlannedInput => {
      const key = roles[from];
      if (key === undefined) throw new Error(`stage "${name}" stands before "${from}", which it reads`);
      return { role, position, from: key, output: 'best' };
    };
    const { threads } = stage.train;
    if (stage.kind === 'train') {
      return this.add('train', params, [], name, threads, () => sizes && trainingCost(params, [], sizes));
    }
    const inputs = stage.teachers.map((teacher, position) => input('teachers', position, teacher));
    if (stage.start !== undefined) inputs.push(input('start', 0, stage.start));
    const teachers = stage.teachers.flatMap((teacher) => stageOf(spec, teacher)?.model ?? []);
    return this.add(
      'distill',
      { ...params, method: stage.method },
      inputs,
      name,
      threads,
      () => sizes && trainingCost(params, teachers, sizes),
    );
  }

  // A checkpoint is read with the threads it was trained with, so that the process that trained it can go on.
  private evaluation(
    data: PinnedData,
    { model, train: { threads } }: StageSpec,
    checkpoint: string,
    name: string,
  ): string {
    return this.add('evaluate', { data, model }, fromCheckpoint(checkpoint), name, threads, () => {
      const sizes = splitSizes(this.known, data);
      return sizes && evaluationCost(model, data, sizes);
    });
  }

  private export(
    data: PinnedData,
    { model, train: { threads } }: StageSpec,
    checkpoint: string,
    name: string,
  ): string {
    const cost = { images: 0, macs: 0 };
    return this.add('export', { data, model }, fromCheckpoint(checkpoint), name, threads, () => cost);
  }

  private add<K extends JobKind>(
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

function fromCheckpoint(key: string): PlannedInput[] {
  return [{ role: 'checkpoint', position: 0, from: key, output: 'best' }];
}

/** Further data sets on which the result is scored, whole, under the experiment's labels and preprocessing. */
function otherData(spec: ExperimentSpec, data: PinnedData): PinnedData[] {
  return spec.evaluate.on
    .filter((entry) => entry.dataset !== data.dataset)
    .map((entry) =>
      pinnedDataOf({
        ...spec,
        data: { ...data, ...entry, version: entry.version, protocol: entry.protocol, subset: null },
      }),
    );
}
