import { createHash } from 'node:crypto';
import {
  adversarialCatalog,
  attackCatalog,
  attackRuns,
  canonicalJson,
  componentVersions,
  corruptionCatalog,
  corruptionsOf,
  jobCatalog,
  membersOf,
  modelCatalog,
  robustnessVersions,
  withoutDefaults,
  type JobKind,
  type JobParams,
  type ModelSpec,
  type NetworkSpec,
  type PlannedInput,
  type RobustnessSpec,
  type TrainSpec,
} from '@ferment/contracts';

/** SHA-256 of a text in lower-case hexadecimal. */
export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

type Versions = Record<string, number>;

const modelVersion = (network: NetworkSpec): Versions =>
  Object.fromEntries(membersOf(network).map(({ name }) => [`model.${name}`, modelCatalog[name].version]));

const trainingVersions = (model: ModelSpec, train: TrainSpec): Versions => ({
  ...modelVersion(model),
  trainer: componentVersions.trainer,
  [`optimizer.${train.optimizer.name}`]: componentVersions.optimizers[train.optimizer.name],
  [`schedule.${train.schedule.name}`]: componentVersions.schedules[train.schedule.name],
  augmentation: componentVersions.augmentation,
  ...(train.rebalance && {
    [`rebalance.${train.rebalance.method}`]: componentVersions.rebalance[train.rebalance.method],
  }),
  ...(train.precision !== 'float32' && {
    [`precision.${train.precision}`]: componentVersions.precision[train.precision],
  }),
  split: componentVersions.split,
});

/** Versions of the steps of a refinement. */
function refineVersionsOf(steps: JobParams<'refine'>['steps']): Versions {
  const names = Object.keys(componentVersions.refine) as (keyof typeof componentVersions.refine)[];
  const used = names.filter((name) => steps.some((step) => step[name] !== undefined));
  return Object.fromEntries(used.map((name) => [`refine.${name}`, componentVersions.refine[name]]));
}

/** Versions of what a robust evaluation names. */
function robustnessVersionsOf({ attacks, corruptions }: RobustnessSpec): Versions {
  const named = [
    ...attackRuns(attacks).map(({ attack }) => [`attack.${attack}`, attackCatalog[attack].version] as const),
    ...(corruptions ? corruptionsOf(corruptions) : []).map(
      (kind) => [`corruption.${kind}`, corruptionCatalog[kind].version] as const,
    ),
  ];
  return { ...Object.fromEntries(named), robustness: robustnessVersions.evaluation };
}

/** Versions of the components that a job of each kind computes with, by what its parameters name. */
const componentsOf: { [K in JobKind]: (params: JobParams<K>) => Versions } = {
  import: () => ({}),
  refine: ({ steps }) => ({ split: componentVersions.split, ...refineVersionsOf(steps) }),
  train: ({ model, train }) => trainingVersions(model, train),
  distill: ({ model, train, method }) => ({
    ...trainingVersions(model, train),
    [`method.${method.name}`]: componentVersions.methods[method.name],
    ...(method.name === 'eadd' &&
      method.adversarial && {
        [`adversarial.${method.adversarial.term}`]:
          componentVersions.jointAdversarial[method.adversarial.term],
      }),
  }),
  adversarial: ({ model, train, method }) => ({
    ...trainingVersions(model, train),
    [`adversarial.${method.name}`]: adversarialCatalog[method.name].version,
  }),
  predict: ({ model }) => ({ ...modelVersion(model), split: componentVersions.split }),
  weights: ({ model }) => modelVersion(model),
  calibrate: () => ({ fit: componentVersions.fit }),
  ensemble: () => ({ fit: componentVersions.fit }),
  evaluate: ({ model, robustness }) => ({
    ...modelVersion(model),
    metrics: componentVersions.metrics,
    split: componentVersions.split,
    ...(robustness && robustnessVersionsOf(robustness)),
  }),
  export: ({ model }) => ({ ...modelVersion(model), split: componentVersions.split }),
  ablation: () => ({}),
};

/**
 * A job's identity: SHA-256 of the canonical JSON of its kind, the versions of what computes it, its parameters
 * without defaults, and the keys of its inputs. Equal keys are equal work, in every trial and experiment.
 *
 * @param params parsed by the catalog's schema for the kind
 * @param inputs in any order; `role` and `position` tell them apart
 * @param fresh  any text that makes this key unlike the one of earlier work
 */
export function contentKey<K extends JobKind>(
  kind: K,
  params: JobParams<K>,
  inputs: readonly PlannedInput[],
  fresh?: string,
): string {
  const entry = jobCatalog[kind];
  const sorted = [...inputs].sort((a, b) =>
    a.role === b.role ? a.position - b.position : a.role < b.role ? -1 : 1,
  );
  return sha256Of(
    canonicalJson({
      kind,
      version: entry.version,
      components: componentsOf[kind](params),
      params: withoutDefaults(entry.params, params) ?? {},
      inputs: sorted.map(({ role, from, output }) => ({ role, from, output })),
      fresh,
    }),
  );
}
