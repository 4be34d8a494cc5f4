import { z } from 'zod';
import { jointAdversarialSpec } from './robustness.js';
import { bounded, positive } from './scalars.js';

const weightDecay = bounded(0, 1);

/** Sharpness-aware minimisation (Foret et al., ICLR 2021) around the optimizer: two gradients an update. */
const sam = z
  .strictObject({
    /** How far up the gradient the weights go, in the joint L2 norm of all of them. */
    rho: positive.default(0.05),
  })
  .optional();

export const optimizerSpec = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('sgd'),
    lr: positive.default(0.05),
    momentum: bounded(0, 0.9999).default(0.9),
    nesterov: z.boolean().default(true),
    weightDecay: weightDecay.default(5e-4),
    sam,
  }),
  z.strictObject({
    name: z.literal('adamw'),
    lr: positive.default(1e-3),
    betas: z.tuple([bounded(0, 0.9999), bounded(0, 0.99999)]).default([0.9, 0.999]),
    epsilon: positive.default(1e-8),
    weightDecay: weightDecay.default(0.05),
    sam,
  }),
]);
export type OptimizerSpec = z.output<typeof optimizerSpec>;

/** `warmup` is in epochs: the rate rises linearly from zero, step by step, before the schedule's own curve. */
export const scheduleSpec = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('constant'), warmup: bounded(0, 1000).default(0) }),
  z.strictObject({ name: z.literal('cosine'), warmup: bounded(0, 1000).default(0) }),
  z.strictObject({
    name: z.literal('step'),
    warmup: bounded(0, 1000).default(0),
    /** Epochs, from the first update, after which the rate is multiplied by `factor`, again and again. */
    every: bounded(0.01, 1000),
    factor: bounded(1e-6, 1).default(0.1),
  }),
  z.strictObject({
    name: z.literal('one-cycle'),
    /** Part of the run in which the rate rises. */
    rise: bounded(0.01, 0.99).default(0.3),
    /** The run starts at the optimizer's rate divided by this … */
    startDivisor: bounded(1, 1e6).default(25),
    /** … and ends at that divided by this. */
    endDivisor: bounded(1, 1e9).default(1e4),
  }),
  z.strictObject({
    name: z.literal('plateau'),
    warmup: bounded(0, 1000).default(0),
    /** The rate is multiplied by this after more than `patience` epochs in a row without a better `select.metric`. */
    factor: bounded(1e-6, 0.9999).default(0.1),
    patience: z.int().min(0).max(10_000).default(5),
    /** Part of the best value so far by which an epoch must be better to count. */
    threshold: bounded(0, 1).default(1e-4),
  }),
]);
export type ScheduleSpec = z.output<typeof scheduleSpec>;

/**
 * One affine transform per image, reflected at the border, from the step's random key: flip with probability
 * `flip`, shift within `shift` pixels, rotation within `rotation` degrees, scale within `scale`. Then brightness and
 * contrast, each by a factor within 1 ± the number; then a gray square of `cutout` pixels.
 */
export const augmentDetail = z.strictObject({
  flip: bounded(0, 1).default(0),
  shift: bounded(0, 24).default(0),
  rotation: bounded(0, 180).default(0),
  scale: z.tuple([bounded(0.5, 2), bounded(0.5, 2)]).default([1, 1]),
  brightness: bounded(0, 0.9).default(0),
  contrast: bounded(0, 0.9).default(0),
  /** Side of the square in pixels (DeVries & Taylor, 2017); its centre is anywhere in the picture. */
  cutout: bounded(0, 128).default(0),
  /**
   * RandAugment (Cubuk et al., NeurIPS 2020) with what leaves a face a face: `operations` of the list per image, each at
   * `magnitude` tenths of its range, in a direction by chance. On top of the above.
   */
  randAugment: z
    .strictObject({ operations: z.int().min(1).max(8).default(2), magnitude: bounded(0, 10).default(5) })
    .nullable()
    .default(null),
});
export type AugmentDetail = z.output<typeof augmentDetail>;

export const augmentPresets = {
  none: {},
  flip: { flip: 0.5 },
  standard: { flip: 0.5, shift: 4, rotation: 10, scale: [0.9, 1.1] },
  strong: {
    ...{ flip: 0.5, shift: 5, rotation: 15, scale: [0.8, 1.2] },
    ...{ brightness: 0.2, contrast: 0.2, cutout: 12 },
  },
} as const satisfies Record<string, z.input<typeof augmentDetail>>;

export const augmentSpec = z.union([z.enum(['none', 'flip', 'standard', 'strong']), augmentDetail]);
export type AugmentSpec = z.output<typeof augmentSpec>;

/** The full description behind a preset's name. */
export function augmentation(spec: AugmentSpec): AugmentDetail {
  return typeof spec === 'string' ? augmentDetail.parse(augmentPresets[spec]) : spec;
}

/**
 * Views of a picture that is scored, by how many there are; their logits are averaged. `flip`: as it is and mirrored.
 * `ten-crop` (Krizhevsky et al., NeurIPS 2012): the four corners and the centre, each 11/12 of the side (44 of 48 pixels)
 * and brought back to the whole size, and the same mirrored.
 */
export const testTimeViews = { none: 1, flip: 2, 'ten-crop': 10 } as const;
export type TestTime = keyof typeof testTimeViews;
export const testTimeSpec = z.enum(Object.keys(testTimeViews) as [TestTime, ...TestTime[]]);

/**
 * How classes of unequal size are brought into balance while training; one way at a time, so that a sampler and weights
 * never stack. `class-weights` weigh an image of class c by N / (C n_c); `effective-number` by (1 - beta) /
 * (1 - beta^n_c), scaled to sum C (Cui et al., CVPR 2019); `balanced-sampler` draws every class equally often;
 * `logit-adjustment` adds tau log prior to the logits of the training loss (Menon et al., ICLR 2021).
 */
export const rebalanceSpec = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('class-weights') }),
  z.strictObject({ method: z.literal('effective-number'), beta: bounded(0, 0.9999999).default(0.9999) }),
  z.strictObject({ method: z.literal('balanced-sampler') }),
  z.strictObject({ method: z.literal('logit-adjustment'), tau: positive.default(1) }),
]);
export type RebalanceSpec = z.output<typeof rebalanceSpec>;

/**
 * The type in which a training's convolutions and matrix products are computed (Micikevicius et al., ICLR 2018); weights,
 * optimizer, loss, normalisation and whatever is evaluated or exported are float32 under each of them. `bfloat16` and
 * `float16` are what Lightning calls bf16-mixed and 16-mixed, and Keras mixed_bfloat16 and mixed_float16.
 */
export const precisionSpec = z.enum(['float32', 'bfloat16', 'float16']);
export type Precision = z.output<typeof precisionSpec>;

export const trainSpec = z
  .strictObject({
    epochs: z.int().min(1).max(10_000).optional(),
    updates: z.int().min(1).max(100_000_000).optional(),
    /** Images an update. */
    batch: z.int().min(1).max(8192).default(128),
    /** Parts into which an update's batch is cut, to need less memory; batch norm sees a part at a time. */
    accumulate: z.int().min(1).max(1024).default(1),
    optimizer: optimizerSpec.prefault({ name: 'sgd' }),
    schedule: scheduleSpec.prefault({ name: 'cosine', warmup: 1 }),
    /** The joint L2 norm that an update's gradient is scaled down to where it is larger; null leaves it as it is. */
    clip: positive.nullable().default(null),
    /** Decay of a moving average of the weights, which is what is then evaluated and kept; null is without one. */
    ema: bounded(0, 0.99999).nullable().default(null),
    /** Batches whose mean statistics the batch norms are evaluated with, in place of running ones; null is without. */
    recalibrate: z.int().min(1).max(10_000).nullable().default(null),
    augment: augmentSpec.default('standard'),
    /** alpha of the Beta distribution that mixes two images and their labels (Zhang et al., ICLR 2018); 0 is off. */
    mixup: bounded(0, 10).default(0),
    /** The same for pasting a box of one image into another (Yun et al., ICCV 2019); with both, either by chance. */
    cutmix: bounded(0, 10).default(0),
    labelSmoothing: bounded(0, 0.9).default(0),
    rebalance: rebalanceSpec.nullable().default(null),
    /** Parts of the network, by the beginnings of their names, that stay as they are, batch-norm statistics too. */
    freeze: z.array(z.string().min(1)).max(64).default([]),
    /** Factors of the rate for parts of the network, by the beginnings of their names; the longest that fits counts. */
    layerRates: z.record(z.string().min(1), bounded(1e-6, 1000)).default({}),
    /** Mixed precision: `float16` also scales the loss, dynamically. */
    precision: precisionSpec.default('float32'),
    /** CPU threads: trainings side by side do more than one with several (docs/benchmarks.md). */
    threads: z.int().min(1).max(256).default(1),
  })
  .refine((train) => (train.epochs === undefined) !== (train.updates === undefined), {
    message: 'expected exactly one of "epochs" and "updates"',
    path: ['epochs'],
  })
  .refine((train) => train.batch % train.accumulate === 0, {
    message: 'expected a divisor of "batch"',
    path: ['accumulate'],
  });
export type TrainSpec = z.output<typeof trainSpec>;

const weight = bounded(0, 1000);

/** Every method by soft labels: L = ceWeight CE + distillWeight T² sum_k w_k KL(teacher_k^T || student^T). */
const softLabels = {
  temperature: positive.default(4),
  ceWeight: weight.default(0.1),
  distillWeight: weight.default(0.9),
};

/** Whether each teacher's logits are first divided by the temperature that minimises its NLL on validation. */
const calibrated = z.boolean();

/**
 * The parts of decoupled distillation (Zhao et al., CVPR 2022): alpha weighs the target class, beta the others;
 * `warmup` is in epochs, over which the whole term rises (a twelfth of the epochs, at least 1, when left out).
 */
const decoupled = {
  alpha: weight.default(1),
  beta: weight.default(8),
  warmup: positive.optional(),
};

/**
 * How a student learns from its teachers: they differ in w, the weights of K teachers for an image.
 * - `kd` (Hinton et al., 2015) and `average`: w = 1 / K; one teacher is plain KD
 * - `best`: the one teacher with the highest macro-F1 on validation
 * - `ca-mkd` (Zhang et al., ICASSP 2022): by each teacher's cross entropy with the label; logits only, its term over
 *   features is left out
 * - `ebkd`: by each teacher's entropy
 * - `dkd` (Zhao et al., CVPR 2022): L = CE + decoupled terms, towards the mean of the teachers' logits
 * - `eadd`: by the strength of each teacher on the class of the image and its reliability on the image, out of fold;
 *   the gain of a class follows the student's own F1 on validation
 */
export const distillMethodSpec = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('kd'), ...softLabels, calibrated: calibrated.default(false) }),
  z.strictObject({ name: z.literal('average'), ...softLabels, calibrated: calibrated.default(false) }),
  z.strictObject({ name: z.literal('best'), ...softLabels, calibrated: calibrated.default(false) }),
  z.strictObject({ name: z.literal('ca-mkd'), ...softLabels, calibrated: calibrated.default(false) }),
  z.strictObject({ name: z.literal('ebkd'), ...softLabels, calibrated: calibrated.default(false) }),
  z.strictObject({
    name: z.literal('dkd'),
    temperature: positive.default(4),
    ...decoupled,
    calibrated: calibrated.default(false),
  }),
  z.strictObject({
    name: z.literal('eadd'),
    ...softLabels,
    /** Class strength against instance reliability: w proportional to Wcls^lambda r^(1 - lambda). */
    lambda: bounded(0, 1).default(0.5),
    /** Temperature of the softmax over teachers that makes weights of class strengths. */
    tau: positive.default(0.1),
    /** Images of a class that the mean over classes weighs as much as, when strengths are shrunk towards it. */
    shrinkage: bounded(0, 1e6).default(50),
    strength: z.enum(['f1', 'recall']).default('f1'),
    /** How much a class gains that the student is weaker at than at the others; 0 is without dynamics. */
    gamma: bounded(0, 100).default(1),
    /** Off: strengths are equal. */
    classStrength: z.boolean().default(true),
    /** Off: teachers are equally reliable. */
    reliability: z.boolean().default(true),
    calibrated: calibrated.default(true),
    /** Weights and gains by the teachers' mean prediction instead of the label. */
    labelFree: z.boolean().default(false),
    /** `dkd`: decoupled terms towards the weighted sum of the teachers' logits, instead of KL to each of them. */
    target: z.enum(['kd', 'dkd']).default('kd'),
    ...decoupled,
    /** Trainings that predict each training image without having seen it; `epochs` instead of the teacher's own. */
    outOfFold: z
      .strictObject({
        folds: z.int().min(2).max(20).default(5),
        epochs: z.int().min(1).max(10_000).optional(),
      })
      .prefault({}),
    /** Attacks within the distillation; the default is an `adversarial` stage after it, or none. */
    adversarial: jointAdversarialSpec.nullable().default(null),
  }),
]);
export type DistillMethodSpec = z.output<typeof distillMethodSpec>;

/** Versions of the shared components whose change would change a result under unchanged parameters. */
export const componentVersions = {
  trainer: 2,
  optimizers: { sgd: 1, adamw: 1 },
  schedules: { constant: 1, cosine: 1, step: 1, 'one-cycle': 1, plateau: 1 },
  augmentation: 1,
  /** Named in a key only where a training rebalances. */
  rebalance: { 'class-weights': 1, 'effective-number': 1, 'balanced-sampler': 1, 'logit-adjustment': 1 },
  /** Named in a key only where a training is in mixed precision. */
  precision: { bfloat16: 1, float16: 1 },
  methods: { kd: 1, average: 1, best: 1, 'ca-mkd': 1, ebkd: 1, dkd: 1, eadd: 1 },
  /** Named in a key only where a distillation has the term. */
  jointAdversarial: { trades: 1, rslad: 1 },
  /** Of temperatures and fusion weights. */
  fit: 1,
  refine: { duplicates: 1, quality: 1, labelErrors: 1, align: 1 },
  split: 1,
  metrics: 1,
} as const;
