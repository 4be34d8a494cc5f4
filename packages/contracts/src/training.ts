import { z } from 'zod';
import { bounded, positive } from './scalars.js';

const weightDecay = bounded(0, 1);

export const optimizerSpec = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('sgd'),
    lr: positive.default(0.05),
    momentum: bounded(0, 0.9999).default(0.9),
    nesterov: z.boolean().default(true),
    weightDecay: weightDecay.default(5e-4),
  }),
  z.strictObject({
    name: z.literal('adamw'),
    lr: positive.default(1e-3),
    betas: z.tuple([bounded(0, 0.9999), bounded(0, 0.99999)]).default([0.9, 0.999]),
    epsilon: positive.default(1e-8),
    weightDecay: weightDecay.default(0.05),
  }),
]);
export type OptimizerSpec = z.output<typeof optimizerSpec>;

/** `warmup` is in epochs: the rate rises linearly from zero, step by step, before the schedule's own curve. */
export const scheduleSpec = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('constant'), warmup: bounded(0, 1000).default(0) }),
  z.strictObject({ name: z.literal('cosine'), warmup: bounded(0, 1000).default(0) }),
]);
export type ScheduleSpec = z.output<typeof scheduleSpec>;

/**
 * One affine transform per image, reflected at the border, from the step's random key: flip with probability
 * `flip`, shift within `shift` pixels, rotation within `rotation` degrees, scale within `scale`.
 */
export const augmentDetail = z.strictObject({
  flip: bounded(0, 1).default(0),
  shift: bounded(0, 24).default(0),
  rotation: bounded(0, 180).default(0),
  scale: z.tuple([bounded(0.5, 2), bounded(0.5, 2)]).default([1, 1]),
});
export type AugmentDetail = z.output<typeof augmentDetail>;

export const augmentPresets = {
  none: { flip: 0, shift: 0, rotation: 0, scale: [1, 1] },
  flip: { flip: 0.5, shift: 0, rotation: 0, scale: [1, 1] },
  standard: { flip: 0.5, shift: 4, rotation: 10, scale: [0.9, 1.1] },
} as const satisfies Record<
  string,
  { flip: number; shift: number; rotation: number; scale: [number, number] }
>;

export const augmentSpec = z.union([z.enum(['none', 'flip', 'standard']), augmentDetail]);
export type AugmentSpec = z.output<typeof augmentSpec>;

/** The full description behind a preset's name. */
export function augmentation(spec: AugmentSpec): AugmentDetail {
  if (typeof spec !== 'string') return spec;
  const preset = augmentPresets[spec];
  return { ...preset, scale: [...preset.scale] };
}

export const trainSpec = z
  .strictObject({
    epochs: z.int().min(1).max(10_000).optional(),
    updates: z.int().min(1).max(100_000_000).optional(),
    batch: z.int().min(1).max(8192).default(128),
    optimizer: optimizerSpec.prefault({ name: 'sgd' }),
    schedule: scheduleSpec.prefault({ name: 'cosine', warmup: 1 }),
    augment: augmentSpec.default('standard'),
    labelSmoothing: bounded(0, 0.9).default(0),
    threads: z.int().min(1).max(256).default(2),
  })
  .refine((train) => (train.epochs === undefined) !== (train.updates === undefined), {
    message: 'expected exactly one of "epochs" and "updates"',
    path: ['epochs'],
  });
export type TrainSpec = z.output<typeof trainSpec>;

/** Knowledge distillation (Hinton et al., 2015): L = ceWeight CE + distillWeight T^2 KL(teacher || student). */
export const distillMethodSpec = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('kd'),
    temperature: positive.default(4),
    ceWeight: bounded(0, 1000).default(0.1),
    distillWeight: bounded(0, 1000).default(0.9),
  }),
]);
export type DistillMethodSpec = z.output<typeof distillMethodSpec>;

/** Versions of the shared components whose change would change a result under unchanged parameters. */
export const componentVersions = {
  trainer: 1,
  optimizers: { sgd: 1, adamw: 1 },
  schedules: { constant: 1, cosine: 1 },
  augmentation: 1,
  methods: { kd: 1 },
  split: 1,
  metrics: 1,
} as const;
