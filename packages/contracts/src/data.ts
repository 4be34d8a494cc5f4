import { z } from 'zod';
import { emotions } from './emotions.js';
import { identifier, seed, sha256 } from './scalars.js';

export const protocols = ['official', 'carved', 'subject-folds'] as const;
export type Protocol = (typeof protocols)[number];

/** Folds of protocol `subject-folds`: each is the test split once, the next one its validation split. */
export const foldCount = 5;

/** Which pictures of a data set with camera angles are used: straight ones, or all. */
export const angleChoices = ['frontal', 'all'] as const;
export type AngleChoice = (typeof angleChoices)[number];

const fold = z
  .int()
  .min(0)
  .max(foldCount - 1);

export const splitNames = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof splitNames)[number];

/** What a job's images are: a pinned version, how it is split, how a picture becomes a tensor. */
export const dataSpec = z.strictObject({
  dataset: identifier,
  /** The data-set version's content hash; the newest imported version is pinned at submission when left out. */
  version: sha256.optional(),
  labels: z.enum(['fer']).default('fer'),
  classes: z.literal(7).default(7),
  /** `subject-folds` where the version has subjects, else `official` where it has a PrivateTest split, else `carved`. */
  protocol: z.enum(protocols).optional(),
  /** Protocol `subject-folds` only; `frontal` when left out. Written out at submission, as are the folds. */
  angles: z.enum(angleChoices).optional(),
  /** Protocol `subject-folds` only: one trial a fold; all of them when left out. */
  folds: z
    .array(fold)
    .min(1)
    .refine((folds) => new Set(folds).size === folds.length, { message: 'folds must differ' })
    .optional(),
  preprocess: z
    .strictObject({
      size: z.int().min(16).max(512).default(48),
      channels: z.union([z.literal(1), z.literal(3)]).default(1),
    })
    .prefault({}),
  /** A stratified part of each split, for quick looks; null takes everything. */
  subset: z
    .strictObject({
      train: z.int().min(7).optional(),
      validation: z.int().min(7).optional(),
      test: z.int().min(7).optional(),
      seed: seed.default(0),
    })
    .nullable()
    .default(null),
});
export type DataSpec = z.output<typeof dataSpec>;

/** A data spec whose open choices are made: what job params carry. */
export const pinnedData = dataSpec.omit({ angles: true, folds: true }).extend({
  version: sha256,
  protocol: z.enum(protocols),
  /**
   * The training images without one of their folds, on which the network is then scored. Folds are stratified, whole
   * exact-duplicate clusters, seed 0.
   */
  outOfFold: z.strictObject({ folds: z.int().min(2).max(20), fold: z.int().min(0).max(19) }).exactOptional(),
  /** Under `subject-folds` only; absent under other protocols. */
  angles: z.enum(angleChoices).exactOptional(),
  /**
   * The fold of `subject-folds` that is test. Absent under other protocols; absent under `subject-folds`, every
   * picture is test: for a network that was trained on another data set.
   */
  fold: fold.exactOptional(),
});
export type PinnedData = z.output<typeof pinnedData>;

/** Images per class and split of one protocol, as the import counted them (before any subset). */
export const splitSummary = z.object({
  counts: z.object({
    train: z.array(z.int()),
    validation: z.array(z.int()),
    test: z.array(z.int()),
  }),
  /** Training images that left because an exact copy stands in validation or test. */
  leakRemoved: z.int(),
});
export type SplitSummary = z.output<typeof splitSummary>;

/** Where a refined version comes from, and what was done to it. */
export const refinedFrom = z.object({
  dataset: identifier,
  /** Content hash of the version that was refined; places of images are places in it. */
  version: sha256,
  protocol: z.enum(protocols),
  /** Kinds of the steps, in order. */
  steps: z.array(z.string()),
  overrides: z.int(),
  /** Pictures that left training, changed their label, were aligned (in any split). */
  removed: z.int(),
  relabelled: z.int(),
  aligned: z.int(),
  /** Under `subject-folds` only: which pictures the refinement was given. */
  angles: z.enum(angleChoices).exactOptional(),
  fold: fold.exactOptional(),
});
export type RefinedFrom = z.output<typeof refinedFrom>;

/** Splits of one choice of angles under `subject-folds`: by fold, and with every picture in test. */
export const foldSummary = z.object({
  folds: z.array(splitSummary).length(foldCount),
  whole: splitSummary,
});
export type FoldSummary = z.output<typeof foldSummary>;

/** What a data-set version's row carries besides its hash: enough to preview and to show it. */
export const datasetSummary = z.object({
  format: z.enum(['fer2013-csv', 'icml-csv', 'train-csv', 'test-csv', 'kdef']),
  images: z.int(),
  size: z.int(),
  classes: z.array(z.enum(emotions)),
  usages: z.record(z.string(), z.int()),
  duplicateClusters: z.int(),
  redundantCopies: z.int(),
  conflictClusters: z.int(),
  skipped: z.array(z.object({ row: z.int(), reason: z.string() })),
  /** Bad rows left out beyond those listed; absent where the list is whole. */
  skippedUnlisted: z.int().min(1).exactOptional(),
  /** Under `subject-folds`: every frontal picture in test. Its folds are in `subjectFolds`. */
  protocols: z.partialRecord(z.enum(protocols), splitSummary),
  /** Where the pictures carry subjects and angles. */
  subjectFolds: z.record(z.enum(angleChoices), foldSummary).exactOptional(),
  defaultProtocol: z.enum(protocols).nullable(),
  synthetic: z.boolean(),
  /** Only where the version is a refined one. `ledger`: SHA-256 of the file of its decisions, an artifact. */
  parent: refinedFrom.extend({ ledger: sha256 }).exactOptional(),
});
export type DatasetSummary = z.output<typeof datasetSummary>;

/** Import options a user may set. */
export const importParams = z.strictObject({
  dataset: identifier,
  /** Hash of the uploaded source file. */
  source: sha256,
  fileName: z.string().max(255),
  skipBad: z.boolean().default(false),
  synthetic: z.boolean().default(false),
});
export type ImportParams = z.output<typeof importParams>;

/**
 * Images per class and split of the choice that pinned data make; undefined where the version does not allow it.
 *
 * @param data `angles` and `fold` count under `subject-folds` only
 */
export function splitSummaryOf(
  summary: DatasetSummary,
  data: Pick<PinnedData, 'protocol' | 'angles' | 'fold'>,
): SplitSummary | undefined {
  const { parent } = summary;
  if (parent && !sameFold(parent, data)) return undefined;
  if (parent || data.protocol !== 'subject-folds') return summary.protocols[data.protocol];
  const chosen = summary.subjectFolds?.[data.angles ?? 'frontal'];
  return data.fold === undefined ? chosen?.whole : chosen?.folds[data.fold];
}

/** Whether two choices under `subject-folds` are of the same pictures; true where neither has folds. */
export function sameFold(
  a: Pick<PinnedData, 'angles' | 'fold'>,
  b: Pick<PinnedData, 'angles' | 'fold'>,
): boolean {
  return a.fold === b.fold && (a.angles ?? angleChoices[0]) === (b.angles ?? angleChoices[0]);
}

export const validationFraction = 0.125;
