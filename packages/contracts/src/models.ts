import { z } from 'zod';
import { bounded } from './scalars.js';

const width = bounded(0.05, 4).default(1);
const stem = z.enum(['imagenet', 'small']).default('small');
const dropout = bounded(0, 0.9);
const blocks = z.int().min(0).max(8);

/**
 * The registry of architectures: what a spec may name, with its parameters. The engine has one implementation
 * file for each entry; `version` is part of every job key and is bumped when the same parameters give another network.
 */
export const modelCatalog = {
  resnet18: {
    version: 1,
    title: 'ResNet-18 (He et al., CVPR 2016), torchvision names',
    minimumSize: 32,
    params: z.strictObject({ name: z.literal('resnet18'), stem, width }),
  },
  'mobilenetv3-large': {
    version: 1,
    title: 'MobileNetV3-Large (Howard et al., ICCV 2019), torchvision names',
    minimumSize: 32,
    params: z.strictObject({
      name: z.literal('mobilenetv3-large'),
      stem,
      width,
      dropout: dropout.default(0.2),
    }),
  },
  vgg: {
    version: 1,
    title: 'Plain 7-convolution network (32, 32 s2, 64, 64 s2, 128, 128 s2, 256 s2; BN, ReLU, GAP, FC)',
    minimumSize: 16,
    params: z.strictObject({ name: z.literal('vgg'), width, dropout: dropout.default(0) }),
  },
  hybrid: {
    version: 2,
    title: 'Hybrid student: inverted residuals and transformer blocks in turn',
    minimumSize: 16,
    params: z.strictObject({
      name: z.literal('hybrid'),
      width,
      dropout: dropout.default(0),
      transformer: z.boolean().default(true),
      depth: z.tuple([blocks, blocks]).default([2, 2]),
    }),
  },
} as const;

export type ModelName = keyof typeof modelCatalog;
export const modelNames = Object.keys(modelCatalog) as ModelName[];

export const modelSpec = z.discriminatedUnion('name', [
  modelCatalog.resnet18.params,
  modelCatalog['mobilenetv3-large'].params,
  modelCatalog.vgg.params,
  modelCatalog.hybrid.params,
]);
export type ModelSpec = z.output<typeof modelSpec>;

/** Several networks as one, or one with a temperature: what an `ensemble` or `calibrate` job makes. */
export const networkSpec = z.discriminatedUnion('name', [
  modelSpec,
  z.strictObject({ name: z.literal('fused'), members: z.array(modelSpec).min(1).max(16) }),
]);
export type NetworkSpec = z.output<typeof networkSpec>;

/** The models that a network consists of. */
export function membersOf(network: NetworkSpec): readonly ModelSpec[] {
  return network.name === 'fused' ? network.members : [network];
}
