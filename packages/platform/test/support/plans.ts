import { createHash } from 'node:crypto';
import { experimentSpec, type ExperimentSpec, type Plan, type PlannedJob } from '@ferment/contracts';
import type { NewExperiment } from '../../src/index.js';

const version = 'a'.repeat(64);
const data = {
  dataset: 'faces',
  version,
  labels: 'fer',
  classes: 7,
  protocol: 'official',
  preprocess: { size: 48, channels: 1 },
  subset: null,
};
const model = { name: 'vgg', width: 0.25, dropout: 0 };

export const keyOf = (...parts: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex');

/** One evaluation's result, with an accuracy to tell it by. */
export function evaluation(accuracy: number): object {
  const split = {
    images: 70,
    accuracy,
    macroF1: accuracy,
    f1: Array<number>(7).fill(accuracy),
    nll: 1,
    ece: 0.1,
    confusion: [],
  };
  return {
    dataset: 'faces',
    datasetVersion: version,
    protocol: 'official',
    splits: { validation: split, test: split },
    parameters: 1000,
    macs: 2000,
  };
}

function job(
  kind: PlannedJob['kind'],
  key: string,
  inputs: PlannedJob['inputs'],
  stage: string | null,
): PlannedJob {
  const params =
    kind === 'evaluate' || kind === 'export' ? { data, model } : { data, model, seed: 0, marker: key };
  return { key, kind, params, inputs, stage, resource: 'cpu', threads: 1, cost: { images: 10, macs: 20 } };
}

/**
 * The graph of the product: one teacher for all trials, and per trial a student, its evaluation and its export.
 * Experiments with the same `salt` share their jobs.
 */
export function smallExperiment(
  salt: string,
  {
    variants = ['baseline'],
    seeds = [0],
    name = 'small',
    memory,
  }: { variants?: string[]; seeds?: number[]; name?: string; memory?: number } = {},
): NewExperiment {
  const spec: ExperimentSpec = experimentSpec.parse({
    specVersion: 1,
    name,
    data,
    stages: { teacher: { kind: 'train', model, train: { epochs: 1 } } },
    result: 'teacher',
    seeds,
  });
  const teacher = job('train', keyOf(salt, 'teacher'), [], 'teacher');
  // What the planner estimates of trainings.
  if (memory !== undefined) teacher.cost = { images: 10, macs: 20, memory };
  const jobs = [teacher];
  const trials: Plan['trials'] = [];
  for (const variant of variants) {
    for (const seed of seeds) {
      const from = (key: string, role: string): PlannedJob['inputs'] => [
        { role, position: 0, from: key, output: 'best' },
      ];
      const student = job(
        'distill',
        keyOf(salt, variant, seed, 'student'),
        from(teacher.key, 'teachers'),
        'student',
      );
      if (memory !== undefined) student.cost = { images: 10, macs: 20, memory };
      const evaluate = job(
        'evaluate',
        keyOf(salt, variant, seed, 'evaluate'),
        from(student.key, 'checkpoint'),
        null,
      );
      const exported = job(
        'export',
        keyOf(salt, variant, seed, 'export'),
        from(student.key, 'checkpoint'),
        null,
      );
      jobs.push(student, evaluate, exported);
      const roles = { teacher, student, 'evaluate:faces': evaluate, export: exported };
      trials.push({
        variant,
        factors: { kind: variant },
        seed,
        fold: null,
        jobs: Object.fromEntries(Object.entries(roles).map(([role, { key }]) => [role, key])),
      });
    }
  }
  const plan: Plan = {
    specHash: keyOf(salt, variants, seeds),
    baseline: variants[0] ?? 'baseline',
    variants: variants.map((variant) => ({ name: variant, factors: { kind: variant }, spec })),
    trials,
    jobs,
    fixedStages: ['teacher'],
    warnings: [],
  };
  return { project: 'default', spec, plan };
}
