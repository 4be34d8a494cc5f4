import {
  isTrainingKind,
  stageOf,
  stageReferences,
  type ExperimentSpec,
  type StageKind,
} from '@ferment/contracts';

/** The output of a stage's job that other stages, evaluations and exports read. */
export const outputOf: Readonly<Record<StageKind, string>> = {
  refine: 'dataset',
  train: 'best',
  distill: 'best',
  adversarial: 'robust',
  ensemble: 'network',
  calibrate: 'network',
  weights: 'best',
};

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

/** Reachable stages that are one piece of work for all trials: no seed of a trial reaches them. */
export function sharedStages(spec: ExperimentSpec): Set<string> {
  const shared = new Set<string>();
  for (const name of reachableStages(spec)) {
    const stage = stageOf(spec, name);
    if (!stage) continue;
    const drawn = isTrainingKind(stage.kind) && !('seed' in stage && stage.seed !== undefined);
    const references = stageReferences(name, stage);
    if (!drawn && references.every((reference) => shared.has(reference.stage))) shared.add(name);
  }
  return shared;
}

/** Trainings that are one draw for all trials: the tables are conditional on them. */
export function fixedStages(spec: ExperimentSpec): string[] {
  return [...sharedStages(spec)].filter((name) => isTrainingKind(stageOf(spec, name)?.kind ?? ''));
}
