import {
  estimateModelCost,
  type JobCost,
  type JobParams,
  type ModelSpec,
  type PinnedData,
  type SplitName,
  type TrainSpec,
} from '@ferment/contracts';
import { versionsOf, type Known } from './known.js';

/** A training step's backward pass costs about two forward passes. */
const passesOfTrainingStep = 3;

/** Images of each split under a spec's protocol and subset. */
export type SplitSizes = Record<SplitName, number>;

/** Images that each split has, the subset taken; null where the version or its protocol is not known. */
export function splitSizes(known: Known, data: PinnedData): SplitSizes | null {
  const version = versionsOf(known, data.dataset).find((candidate) => candidate.version === data.version);
  const counts = version?.summary.protocols[data.protocol]?.counts;
  if (!counts) return null;
  const size = (split: SplitName): number => {
    const all = counts[split].reduce((sum, count) => sum + count, 0);
    return Math.min(all, data.subset?.[split] ?? all);
  };
  return { train: size('train'), validation: size('validation'), test: size('test') };
}

/** Forward multiply-accumulates for one image. */
function macsOf(model: ModelSpec, data: PinnedData): number {
  return estimateModelCost(model, data.preprocess, data.classes).macs;
}

/** Optimizer steps of an epoch over n images: the last partial batch is left out. */
function stepsOfEpoch(train: TrainSpec, images: number): number {
  return Math.max(1, Math.floor(images / train.batch));
}

/** Optimizer steps of a training over n images. */
export function updatesOf(train: TrainSpec, images: number): number {
  return train.updates ?? (train.epochs ?? 0) * stepsOfEpoch(train, images);
}

/**
 * Work of a training: three forward passes for every image of every step, one for each teacher, and one pass over
 * validation an epoch.
 */
export function trainingCost(
  params: JobParams<'train'>,
  teachers: readonly ModelSpec[],
  sizes: SplitSizes,
): JobCost {
  const { data, model, train } = params;
  const updates = updatesOf(train, sizes.train);
  const images = updates * train.batch;
  const validated = Math.ceil(updates / stepsOfEpoch(train, sizes.train)) * sizes.validation;
  const own = macsOf(model, data);
  const taught = teachers.reduce((sum, teacher) => sum + macsOf(teacher, data), 0);
  return {
    images: images + validated,
    macs: images * (passesOfTrainingStep * own + taught) + validated * own,
  };
}

/** Work of an evaluation: one pass over validation and test. */
export function evaluationCost(model: ModelSpec, data: PinnedData, sizes: SplitSizes): JobCost {
  const images = sizes.validation + sizes.test;
  return { images, macs: images * macsOf(model, data) };
}
