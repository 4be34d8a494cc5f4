import {
  convNeXtTinyCost,
  efficientNetB3Cost,
  hybridCost,
  mobilenetV3LargeCost,
  resEmoteNetCost,
  resnet18Cost,
  seresnet18Cost,
  shuffleNetV2Cost,
  vggCost,
  type CostOf,
  type ModelCost,
  type ModelInput,
  type ModelSize,
} from './architectures/index.js';
import { emotions } from './emotions.js';
import { modelCatalog, type ModelName, type ModelSpec } from './models.js';

const costs: { [N in ModelName]: CostOf<N> } = {
  resnet18: resnet18Cost,
  seresnet18: seresnet18Cost,
  resemotenet: resEmoteNetCost,
  'mobilenetv3-large': mobilenetV3LargeCost,
  'efficientnet-b3': efficientNetB3Cost,
  'convnext-tiny': convNeXtTinyCost,
  shufflenetv2: shuffleNetV2Cost,
  vgg: vggCost,
  hybrid: hybridCost,
};

/** An architecture's layer table, walked at an input. */
export function modelSize(model: ModelSpec, input: ModelInput, classes: number = emotions.length): ModelSize {
  const { minimumSize } = modelCatalog[model.name];
  if (input.size < minimumSize) {
    throw new RangeError(`${model.name}: size ${input.size} is too small; expected at least ${minimumSize}`);
  }
  // The name chooses the entry for this very specification, which the type system cannot correlate.
  const cost = costs[model.name] as (model: ModelSpec, input: ModelInput, classes: number) => ModelSize;
  return cost(model, input, classes);
}

/**
 * Exact parameters and multiply-accumulates of a model, from its specification alone: what a preview shows before
 * anything is built. The engine's counts from the captured graph agree (tested there).
 *
 * @throws RangeError below the model's smallest input size
 */
export function estimateModelCost(
  model: ModelSpec,
  input: ModelInput,
  classes: number = emotions.length,
): ModelCost {
  const { parameters, macs } = modelSize(model, input, classes);
  return { parameters, macs };
}
