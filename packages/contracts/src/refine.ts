import { z } from 'zod';
import { refinedFrom, splitNames } from './data.js';
import { emotions } from './emotions.js';
import { modelSpec } from './models.js';
import { bounded } from './scalars.js';
import { trainSpec } from './training.js';

/** How far two 64-bit picture hashes are apart: differing bits. */
const bits = z.int().min(0).max(16);

/**
 * Copies within training. Of a cluster with one label the first is kept. `conflicts` says what becomes of a cluster
 * whose pictures carry different labels: `majority` keeps the first picture of the most frequent label (a tie has
 * none: all leave), `remove` takes all. Pairs farther apart than `remove` and at most `review` bits are listed for
 * review and stay. `remove` and `review` say nothing under `exact`.
 */
const duplicatesStep = z.strictObject({
  method: z.enum(['exact', 'phash', 'dhash']).default('exact'),
  remove: bits.default(4),
  review: bits.default(10),
  conflicts: z.enum(['majority', 'remove']).default('majority'),
});

const share = bounded(0, 0.5).default(0);

/**
 * Pictures that show nothing, or little. `blank` is a threshold: the standard deviation, in greys of 0 to 255, at or
 * below which a picture is blank. The others are fractions of the training pictures that leave, the worst by the
 * score first: `blur` by the variance of the Laplacian, `exposure` by the share of pixels at either end of the greys,
 * `contrast` by the spread of the greys.
 */
const qualityStep = z.strictObject({
  blank: bounded(0, 255).default(4),
  blur: share,
  exposure: share,
  contrast: share,
});

/** Confident learning on predictions of networks that never saw the picture (Northcutt et al., JAIR 2021). */
const labelErrorsStep = z.strictObject({
  folds: z.int().min(2).max(20).default(5),
  model: modelSpec,
  train: trainSpec,
  action: z.enum(['remove', 'relabel', 'review']).default('remove'),
  /**
   * At most this share of the training images is acted on, the least sure labels first; what is flagged beyond it goes to
   * review. Networks of a short training flag far more labels than are wrong.
   */
  most: bounded(0, 1).default(1),
});

/**
 * Eyes, nose and mouth brought to the places of a template. `apply: all` aligns validation and test pictures too, as
 * preprocessing; `train` leaves them as they are.
 */
const alignStep = z.strictObject({
  landmarks: z.literal('face-api-68').default('face-api-68'),
  apply: z.enum(['all', 'train']).default('all'),
});

/** One step of a refinement: an object with exactly one of the keys. */
export const refineStep = z
  .strictObject({
    duplicates: duplicatesStep.optional(),
    quality: qualityStep.optional(),
    labelErrors: labelErrorsStep.optional(),
    align: alignStep.optional(),
  })
  .refine((step) => Object.values(step).filter((options) => options !== undefined).length === 1, {
    message: 'expected exactly one of "duplicates", "quality", "labelErrors" and "align"',
  });
export type RefineStep = z.output<typeof refineStep>;

export const refineStepNames = ['duplicates', 'quality', 'labelErrors', 'align'] as const;
export type RefineStepName = (typeof refineStepNames)[number];
export type RefineOptions<K extends RefineStepName> = NonNullable<RefineStep[K]>;

/** Why a row stands in the ledger, by step; `override` is a person's decision, made before the first step. */
export const ledgerReasons = {
  override: ['override'],
  duplicates: ['copy', 'conflict', 'first', 'near'],
  quality: ['blank', 'blur', 'exposure', 'contrast'],
  labelErrors: ['label'],
  align: ['aligned', 'landmarks', 'eyes', 'mouth', 'scale', 'angle', 'residual'],
} as const satisfies Record<RefineStepName | 'override', readonly string[]>;
export type LedgerReason = (typeof ledgerReasons)[keyof typeof ledgerReasons][number];

const label = z
  .int()
  .min(0)
  .max(emotions.length - 1);
const place = z.int().min(0);

export const ledgerActions = ['keep', 'remove', 'relabel', 'review', 'align'] as const;
export type LedgerAction = (typeof ledgerActions)[number];

/** One decision about one picture. */
export const ledgerRow = z.strictObject({
  /** The picture's place in the parent version. */
  image: place,
  split: z.enum(splitNames),
  /** Which of the refinement's steps, from 1, and its kind; 0 for overrides. */
  at: z.int().min(0),
  step: z.enum(['override', ...refineStepNames]),
  reason: z.enum(Object.values(ledgerReasons).flat()),
  /**
   * What the decision rests on, by reason: differing bits to `of` (copy, conflict, near), standard deviation (blank,
   * contrast), variance of the Laplacian (blur), share of pixels at one end of the greys (exposure), normalised margin
   * (label), distance from the template as a part of the distance of the eyes (align's); null where there is none.
   */
  score: z.number().nullable(),
  action: z.enum(ledgerActions),
  /** The label before the step. */
  label,
  /** What it becomes under `relabel`; what the networks say for other rows of `labelErrors`. */
  newLabel: label.exactOptional(),
  /** The picture that this one is compared with: its place in the parent version. */
  of: place.exactOptional(),
  /** What the step alone would have done, where an override decided. */
  overridden: z.enum(ledgerActions).exactOptional(),
});
export type LedgerRow = z.output<typeof ledgerRow>;

/**
 * A person's decision about one picture of the parent version. It holds against every step: `keep` stays with its
 * label, `remove` leaves before the first step, `relabel` stays with `label`. `original` keeps the picture unaligned.
 */
export const ledgerOverride = z
  .strictObject({
    image: place,
    action: z.enum(['keep', 'remove', 'relabel']),
    label: label.optional(),
    original: z.boolean().default(false),
  })
  .refine((override) => (override.action === 'relabel') === (override.label !== undefined), {
    message: 'expected "label" with action "relabel", and only there',
    path: ['label'],
  });
export type LedgerOverride = z.output<typeof ledgerOverride>;

const classCounts = z.array(z.int().min(0)).length(emotions.length);

/** What a step did, in training pictures; `aligned` and `unaligned` count all that it was applied to. */
export const ledgerStep = z.strictObject({
  step: z.enum(['override', ...refineStepNames]),
  removed: z.int(),
  relabelled: z.int(),
  review: z.int(),
  aligned: z.int(),
  unaligned: z.int(),
  /** Training pictures a class after the step. */
  train: classCounts,
});
export type LedgerStep = z.output<typeof ledgerStep>;

/** The ledger file: every decision of one refinement. */
export const ledger = z.strictObject({
  parent: refinedFrom,
  /** Places in the parent version of the images that were decided on, or only aligned, ascending. */
  images: z.record(z.enum(splitNames), z.array(place)),
  /** Training pictures a class before the first step. */
  before: classCounts,
  /** The overrides first, then the refinement's steps. */
  steps: z.array(ledgerStep),
  /** Ordered by step, then by place. */
  rows: z.array(ledgerRow),
});
export type Ledger = z.output<typeof ledger>;

/** A ledger without its rows: what each step did. */
export const ledgerSummary = ledger.omit({ images: true, rows: true }).extend({ rows: z.int() });
export type LedgerSummary = z.output<typeof ledgerSummary>;
