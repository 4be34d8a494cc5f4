import { z } from 'zod';
import { bounded } from './scalars.js';

const width = bounded(0.05, 4).default(1);
const stem = z.enum(['imagenet', 'small']).default('small');
const dropout = bounded(0, 0.9);
const blocks = z.int().min(0).max(8);

/**
 * ArcFace's head (Deng et al., CVPR 2019) in place of the last layer: an embedding, and logits that are `scale` times the
 * cosines between it and each class. While training, `margin` (radians) is added to the angle to the label; it is 0 for
 * `plainEpochs`, then rises linearly over `rampEpochs`. Left out: a linear layer.
 */
export const headSpec = z.strictObject({
  name: z.literal('arcface'),
  margin: bounded(0, 1.5).default(0.35),
  scale: bounded(0.1, 1000).default(30),
  embedding: z.int().min(2).max(4096).default(512),
  plainEpochs: bounded(0, 10_000).default(5),
  rampEpochs: bounded(0, 10_000).default(10),
});
export type HeadSpec = z.output<typeof headSpec>;
const head = headSpec.optional();

/**
 * The registry of architectures: what a spec may name, with its parameters. The engine has one implementation
 * file for each entry; `version` is part of every job key and is bumped when the same parameters give another network.
 */
export const modelCatalog = {
  resnet18: {
    version: 1,
    title: 'ResNet-18 (He et al., CVPR 2016), torchvision names',
    minimumSize: 32,
    params: z.strictObject({ name: z.literal('resnet18'), stem, width, head }),
  },
  seresnet18: {
    version: 1,
    title: 'SE-ResNet-18 (Hu et al., CVPR 2018), timm names',
    minimumSize: 32,
    params: z.strictObject({ name: z.literal('seresnet18'), stem, width, head }),
  },
  resemotenet: {
    version: 1,
    title: "ResEmoteNet (Roy et al., 2024), the authors' names",
    minimumSize: 16,
    params: z.strictObject({
      name: z.literal('resemotenet'),
      width,
      /** Whether its channels are weighed by squeeze-and-excitation (off: C2 of its Table IV). */
      squeeze: z.boolean().default(true),
      /** First convolutions left out: 1 is C3, 2 is C4. */
      withoutConvolutions: z.int().min(0).max(2).default(0),
      /** First residual blocks left out: 1 is C5, 2 is C6. */
      withoutResiduals: z.int().min(0).max(2).default(0),
      /** After the first two max pools. */
      convolutionDropout: dropout.default(0.2),
      /** After each hidden linear layer. */
      dropout: dropout.default(0.5),
      head,
    }),
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
      head,
    }),
  },
  'efficientnet-b3': {
    version: 1,
    title: 'EfficientNet-B3 (Tan & Le, ICML 2019), torchvision names',
    minimumSize: 32,
    params: z.strictObject({
      name: z.literal('efficientnet-b3'),
      stem,
      width,
      dropout: dropout.default(0.3),
      stochasticDepth: dropout.default(0.2),
      head,
    }),
  },
  'convnext-tiny': {
    version: 1,
    title: 'ConvNeXt-Tiny (Liu et al., CVPR 2022), torchvision names',
    minimumSize: 32,
    params: z.strictObject({
      name: z.literal('convnext-tiny'),
      stem,
      width,
      stochasticDepth: dropout.default(0.1),
      head,
    }),
  },
  shufflenetv2: {
    version: 1,
    title: 'ShuffleNetV2 (Ma et al., ECCV 2018), torchvision names',
    minimumSize: 32,
    params: z.strictObject({ name: z.literal('shufflenetv2'), stem, width, head }),
  },
  vgg: {
    version: 1,
    title: 'Plain 7-convolution network (32, 32 s2, 64, 64 s2, 128, 128 s2, 256 s2; BN, ReLU, GAP, FC)',
    minimumSize: 16,
    params: z.strictObject({ name: z.literal('vgg'), width, dropout: dropout.default(0), head }),
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
      head,
    }),
  },
} as const;

export type ModelName = keyof typeof modelCatalog;
export const modelNames = Object.keys(modelCatalog) as ModelName[];

export const modelSpec = z.discriminatedUnion('name', [
  modelCatalog.resnet18.params,
  modelCatalog.seresnet18.params,
  modelCatalog.resemotenet.params,
  modelCatalog['mobilenetv3-large'].params,
  modelCatalog['efficientnet-b3'].params,
  modelCatalog['convnext-tiny'].params,
  modelCatalog.shufflenetv2.params,
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
