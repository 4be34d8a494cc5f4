import type { ModelSpec, NetworkSpec } from './models.js';
import type { ExperimentSpec, StageKind, StageOf, StageSpec } from './spec.js';
import { isTrainingKind } from './spec.js';
import type { TrainSpec } from './training.js';

/** What a stage reads another one for; each role asks for stages of certain kinds. */
export type ReferenceRole = 'data' | 'teachers' | 'start' | 'members' | 'of';

/** A stage that another stage reads, and where the spec says so. */
export interface StageReference {
  stage: string;
  role: ReferenceRole;
  path: (string | number)[];
}

const training = ['train', 'distill', 'adversarial'] as const satisfies StageKind[];

/** Kinds of stages that may stand at each reference. */
export const referable: Readonly<Record<ReferenceRole, readonly StageKind[]>> = {
  data: ['refine'],
  teachers: [...training, 'ensemble', 'calibrate'],
  start: [...training, 'weights'],
  members: training,
  of: training,
};

/** A stage by name; undefined where the spec has none of that name. */
export function stageOf(spec: ExperimentSpec, name: string): StageSpec | undefined {
  return Object.hasOwn(spec.stages, name) ? spec.stages[name] : undefined;
}

/** Stages that a stage reads, in the order in which it names them. */
export function stageReferences(name: string, stage: StageSpec): StageReference[] {
  const one = (role: ReferenceRole, stage: string | undefined): StageReference[] =>
    stage === undefined ? [] : [{ stage, role, path: ['stages', name, role] }];
  const many = (role: ReferenceRole, stages: readonly string[]): StageReference[] =>
    stages.map((stage, index) => ({ stage, role, path: ['stages', name, role, index] }));
  switch (stage.kind) {
    case 'refine':
    case 'weights':
      return [];
    case 'train':
      return [...one('data', stage.data), ...one('start', stage.start)];
    case 'distill':
      return [...one('data', stage.data), ...many('teachers', stage.teachers), ...one('start', stage.start)];
    case 'adversarial':
      return one('start', stage.start);
    case 'ensemble':
      return many('members', stage.members);
    case 'calibrate':
      return one('of', stage.of);
  }
}

/** How a stage's network is trained, what it leaves to the stage it starts from written out. */
export interface StageTraining {
  readonly model: ModelSpec;
  readonly train: TrainSpec;
  /** The `refine` stage it is trained on. */
  readonly data: string | undefined;
}

/** The model whose weights a stage leaves for others to start from; null where it leaves none. */
export function startModel(spec: ExperimentSpec, name: string): ModelSpec | null {
  const stage = stageOf(spec, name);
  return stage?.kind === 'weights' ? stage.model : (stageTraining(spec, name)?.model ?? null);
}

/**
 * The training of a stage; of an `adversarial` one, model and data are those of the stage it starts from, and so is
 * what it does not say of its training. Null for a stage that trains nothing, or whose references lead nowhere.
 */
export function stageTraining(spec: ExperimentSpec, name: string): StageTraining | null {
  const seen = new Set<string>();
  let own: TrainSpec | undefined;
  for (let at = name; !seen.has(at);) {
    seen.add(at);
    const stage = stageOf(spec, at);
    if (stage?.kind === 'adversarial') {
      own ??= stage.train;
      at = stage.start;
    } else if (stage?.kind === 'weights') {
      return own ? { model: stage.model, train: own, data: undefined } : null;
    } else {
      if (stage?.kind !== 'train' && stage?.kind !== 'distill') return null;
      const train = rebalanced(spec, stage, own ?? stage.train);
      return { model: stage.model, train, data: stage.data };
    }
  }
  return null;
}

/** A training that does not rebalance by itself does it as its refined data says. */
function rebalanced(
  spec: ExperimentSpec,
  stage: StageOf<'train'> | StageOf<'distill'>,
  train: TrainSpec,
): TrainSpec {
  const refined = stage.data === undefined ? undefined : stageOf(spec, stage.data);
  if (train.rebalance !== null || refined?.kind !== 'refine' || refined.rebalance === null) return train;
  return { ...train, rebalance: refined.rebalance };
}

/** The stages whose trainings a stage's network consists of: itself, or its members. */
export function memberStages(spec: ExperimentSpec, name: string): string[] {
  const stage = stageOf(spec, name);
  if (stage === undefined || stage.kind === 'refine' || stage.kind === 'weights') return [];
  if (isTrainingKind(stage.kind)) return [name];
  return stageReferences(name, stage).map((reference) => reference.stage);
}

/** The network of a stage; null for one that has none. */
export function stageNetwork(spec: ExperimentSpec, name: string): NetworkSpec | null {
  const members = memberStages(spec, name).flatMap((member) => stageTraining(spec, member)?.model ?? []);
  const [only] = members;
  if (only === undefined) return null;
  const stage = stageOf(spec, name);
  return stage !== undefined && isTrainingKind(stage.kind) ? only : { name: 'fused', members };
}
