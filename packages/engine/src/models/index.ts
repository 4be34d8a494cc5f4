import { JobFailure, modelCatalog, type ModelName, type ModelSpec } from '@ferment/contracts';
import type { Model } from '../nn/index.js';
import { convnextTiny } from './convnext-tiny.js';
import { efficientnetB3 } from './efficientnet-b3.js';
import { hybrid } from './hybrid.js';
import { mobilenetV3Large } from './mobilenetv3-large.js';
import type { ModelInput } from './model-input.js';
import { resEmoteNet } from './resemotenet.js';
import { resnet18 } from './resnet18.js';
import { seresnet18 } from './seresnet18.js';
import { shufflenetV2 } from './shufflenetv2.js';
import { vgg } from './vgg.js';

export type { ModelInput } from './model-input.js';

type Implementations = {
  readonly [N in ModelName]: (spec: Extract<ModelSpec, { name: N }>, input: ModelInput) => Model;
};

/** One implementation for every entry of the contracts' catalog; a missing one does not compile. */
const implementations: Implementations = {
  resnet18,
  seresnet18,
  resemotenet: resEmoteNet,
  'mobilenetv3-large': mobilenetV3Large,
  'efficientnet-b3': efficientnetB3,
  'convnext-tiny': convnextTiny,
  shufflenetv2: shufflenetV2,
  vgg,
  hybrid,
};

/**
 * Builds an architecture: its variables, named as in torchvision's state dicts, and its function from normalised
 * pictures [batch, size, size, channels] to logits [batch, classes].
 *
 * @throws JobFailure of class `user` below the model's smallest input size
 */
export function createModel(spec: ModelSpec, input: ModelInput): Model {
  const { minimumSize } = modelCatalog[spec.name];
  if (input.size < minimumSize) {
    throw new JobFailure(
      'user',
      `model ${spec.name}: pictures of ${input.size} pixels are too small; set data.preprocess.size to ${minimumSize} or more`,
    );
  }
  // The name chooses the entry for this very specification, which the type system cannot correlate.
  const build = implementations[spec.name] as (spec: ModelSpec, input: ModelInput) => Model;
  return build(spec, input);
}
