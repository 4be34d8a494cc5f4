import {
  attackRuns,
  corruptionsOf,
  estimateModelCost,
  estimateTrainingMemory,
  membersOf,
  splitSummaryOf,
  testTimeViews,
  type InnerAttackSpec,
  type JobCost,
  type JobParams,
  type NetworkSpec,
  type PinnedData,
  type SplitName,
  type TrainSpec,
} from '@ferment/contracts';
import { versionsOf, type Known } from './known.js';

/** A training step's backward pass costs about two forward passes. */
const passesOfTrainingStep = 3;

/** A step of an attack needs the gradient of the picture alone: about one more pass. */
const passesOfAttackStep = 2;

/** Images of each split under a spec's protocol and subset. */
export type SplitSizes = Record<SplitName, number>;

/** Images that each split has, the subset taken; null where the version or its protocol is not known. */
export function splitSizes(known: Known, data: PinnedData): SplitSizes | null {
  const version = versionsOf(known, data.dataset).find((candidate) => candidate.version === data.version);
  const counts = version && splitSummaryOf(version.summary, data)?.counts;
  if (!counts) return null;
  const size = (split: SplitName): number => {
    const all = counts[split].reduce((sum, count) => sum + count, 0);
    return Math.min(all, data.subset?.[split] ?? all);
  };
  return { train: size('train'), validation: size('validation'), test: size('test') };
}

/** Sizes where the training images are those of all folds but one. */
export function foldSizes(sizes: SplitSizes, folds: number): SplitSizes {
  return { ...sizes, train: Math.round((sizes.train * (folds - 1)) / folds) };
}

/** Forward multiply-accumulates for one image. */
function macsOf(network: NetworkSpec, data: PinnedData): number {
  return membersOf(network).reduce(
    (sum, model) => sum + estimateModelCost(model, data.preprocess, data.classes).macs,
    0,
  );
}

const allMacs = (networks: readonly NetworkSpec[], data: PinnedData) =>
  networks.reduce((sum, network) => sum + macsOf(network, data), 0);

/** Optimizer steps of an epoch over n images: the last partial batch is left out. */
function stepsOfEpoch(train: TrainSpec, images: number): number {
  return Math.max(1, Math.floor(images / train.batch));
}

/** Optimizer steps of a training over n images. */
export function updatesOf(train: TrainSpec, images: number): number {
  return train.updates ?? (train.epochs ?? 0) * stepsOfEpoch(train, images);
}

/** Epochs of a training over n images, the last of which may be a part. */
export function epochsOf(train: TrainSpec, images: number): number {
  return Math.ceil(updatesOf(train, images) / stepsOfEpoch(train, images));
}

/** About the bytes that a training's process takes at its peak. */
function memoryOf(
  { data, model, train }: JobParams<'train'>,
  teachers: readonly NetworkSpec[],
  sizes: SplitSizes,
  passes: number,
): number {
  const { optimizer, batch, accumulate, ema, recalibrate } = train;
  const evaluated = ema !== null || recalibrate !== null;
  return estimateTrainingMemory({
    ...{ model, optimizer, batch: batch / accumulate, images: sizes.train, input: data.preprocess },
    ...{ teachers, passes },
    copies: [evaluated, accumulate > 1, optimizer.sam !== undefined].filter(Boolean).length,
  });
}

/**
 * Work of a training: three forward passes for every image of every step, one for each teacher, and one pass over
 * validation an epoch; sharpness-aware minimisation does each step twice, recalibration adds its batches each epoch.
 */
export function trainingCost(
  params: JobParams<'train'>,
  teachers: readonly NetworkSpec[],
  sizes: SplitSizes,
): JobCost {
  const { data, model, train } = params;
  const updates = updatesOf(train, sizes.train);
  const images = updates * train.batch;
  const epochs = Math.ceil(updates / stepsOfEpoch(train, sizes.train));
  const validated = epochs * sizes.validation;
  const own = macsOf(model, data);
  const taught = allMacs(teachers, data);
  const gradients = train.optimizer.sam ? 2 : 1;
  const recalibrated = epochs * (train.recalibrate ?? 0) * (train.batch / train.accumulate);
  return {
    images: images + validated,
    macs: images * gradients * (passesOfTrainingStep * own + taught) + (recalibrated + validated) * own,
    memory: memoryOf(params, teachers, sizes, 1),
  };
}

/** Multiply-accumulates of the attacks of a training: on every batch before its update, on validation images each epoch. */
function attackMacs(params: JobParams<'train'>, attack: InnerAttackSpec, sizes: SplitSizes): number {
  const { data, model, train } = params;
  const updates = updatesOf(train, sizes.train);
  const epochs = Math.ceil(updates / stepsOfEpoch(train, sizes.train));
  const validated = epochs * Math.min(attack.validationImages, sizes.validation);
  const steps = updates * train.batch * attack.steps + validated * attack.validationSteps;
  return steps * passesOfAttackStep * macsOf(model, data);
}

/** Work of an adversarial training: its attacks besides, and in TRADES a step on both versions of the picture. */
export function adversarialCost(params: JobParams<'adversarial'>, sizes: SplitSizes): JobCost {
  const { data, model, train, method } = params;
  const { images, macs } = trainingCost(params, [], sizes);
  const second = method.name === 'trades' ? passesOfTrainingStep : 0;
  const both = updatesOf(train, sizes.train) * train.batch * second * macsOf(model, data);
  return {
    images,
    macs: macs + both + attackMacs(params, method, sizes),
    memory: memoryOf(params, [], sizes, second === 0 ? 1 : 2),
  };
}

/**
 * Work of a distillation; with an adversarial term that of its attacks besides, a step on both versions of the picture,
 * and for RSLAD the teachers' answers once more, which the attack moves away from.
 */
export function distillCost(
  params: JobParams<'distill'>,
  teachers: readonly NetworkSpec[],
  sizes: SplitSizes,
): JobCost {
  const { data, model, train, method } = params;
  const plain = trainingCost(params, teachers, sizes);
  const { images, macs } = plain;
  const attack = method.name === 'eadd' ? method.adversarial : null;
  if (!attack) return plain;
  const taught = attack.term === 'rslad' ? allMacs(teachers, data) : 0;
  const perImage = passesOfTrainingStep * macsOf(model, data) + taught;
  const both = updatesOf(train, sizes.train) * train.batch * perImage;
  return {
    images,
    macs: macs + both + attackMacs(params, attack, sizes),
    memory: memoryOf(params, teachers, sizes, 2),
  };
}

/** Work of predicting one part of the images. */
export function partCost(
  network: NetworkSpec,
  data: PinnedData,
  sizes: SplitSizes,
  part: JobParams<'predict'>['part'],
): JobCost {
  const fold = data.outOfFold ? Math.round(sizes.train / data.outOfFold.folds) : 0;
  const images = part === 'held-out' ? fold : sizes[part];
  return { images, macs: images * macsOf(network, data) };
}

/** Work of an evaluation: a pass over validation and test for each view, and what attacks and corruptions take besides. */
export function evaluationCost(
  network: NetworkSpec,
  data: PinnedData,
  sizes: SplitSizes,
  { testTime, robustness }: Pick<JobParams<'evaluate'>, 'testTime' | 'robustness'>,
): JobCost {
  const images = sizes.validation + sizes.test;
  const macs = macsOf(network, data);
  const clean = images * testTimeViews[testTime];
  if (robustness === null) return { images, macs: clean * macs };
  const { attacks, attackImages, corruptions } = robustness;
  const steps = attackRuns(attacks).reduce((sum, run) => sum + run.steps * run.restarts, 0);
  const attacked = Math.min(attackImages, sizes.test) * steps * passesOfAttackStep;
  const corrupted = corruptions
    ? corruptionsOf(corruptions).length * corruptions.severities.length * sizes.test
    : 0;
  return { images: images + corrupted, macs: (clean + attacked + corrupted) * macs };
}
