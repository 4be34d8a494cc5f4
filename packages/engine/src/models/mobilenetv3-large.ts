import {
  makeDivisible,
  mobilenetV3LargeBlocks,
  mobilenetV3LargeHidden,
  mobilenetV3LargeStem,
  mobilenetV3LastExpansion,
  type ModelSpec,
} from '@ferment/contracts';
import {
  classifier,
  defineModel,
  dropout,
  filled,
  globalAveragePool,
  linear,
  normal,
  sequential,
  type Layer,
  type Model,
} from '../nn/index.js';
import { hardSwish, relu } from '../tensor/index.js';
import { invertedResidual, mobileSqueeze, normalised } from './inverted-residual.js';
import { threeChannels, type ModelInput } from './model-input.js';

/** torchvision's settings, without which its weights do not carry over. */
const norm = { epsilon: 1e-3, momentum: 0.01 } as const;

const linearInitial = { initial: normal(0.01), initialBias: filled(0) } as const;

/**
 * MobileNetV3-Large (Howard et al., ICCV 2019) with torchvision's names and settings.
 *
 * `stem: 'small'` starts with stride 1 instead of 2 (the same weights fit both). `width` scales channel counts as
 * torchvision's `width_mult` does. `dropout` stands before the last layer.
 */
export function mobilenetV3Large(
  { stem, width, dropout: rate, head }: Extract<ModelSpec, { name: 'mobilenetv3-large' }>,
  { channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    const features = scope.at('features');
    const place = scope.at('classifier');
    let inputs = makeDivisible(mobilenetV3LargeStem * width);
    const stride = stem === 'imagenet' ? 2 : 1;
    const layers: Layer[] = [
      threeChannels(channels),
      normalised(features.at(0), { inputs: 3, outputs: inputs, kernel: 3, stride }, norm, hardSwish),
    ];
    mobilenetV3LargeBlocks.forEach((block, index) => {
      const expanded = makeDivisible(block.expanded * width);
      const outputs = makeDivisible(block.out * width);
      layers.push(
        invertedResidual(features.at(index + 1), {
          ...{ inputs, expanded, outputs, norm },
          kernel: block.kernel,
          stride: block.stride,
          squeeze: block.squeeze ? mobileSqueeze(expanded) : null,
          activation: block.activation === 'relu' ? relu : hardSwish,
        }),
      );
      inputs = outputs;
    });
    const last = mobilenetV3LastExpansion * inputs;
    const hidden = makeDivisible(mobilenetV3LargeHidden * width);
    const lastScope = features.at(mobilenetV3LargeBlocks.length + 1);
    layers.push(
      normalised(lastScope, { inputs, outputs: last, kernel: 1 }, norm, hardSwish),
      globalAveragePool,
      linear(place.at(0), { inputs: last, outputs: hidden, ...linearInitial }),
      hardSwish,
      dropout(rate),
      classifier(place.at(3), { inputs: hidden, outputs: classes, ...linearInitial }, head),
    );
    return sequential(layers);
  });
}
