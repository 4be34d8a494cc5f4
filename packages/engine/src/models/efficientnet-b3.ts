import { efficientNetB3, efficientNetLastExpansion, type ModelSpec } from '@ferment/contracts';
import {
  classifier,
  defineModel,
  dropout,
  filled,
  globalAveragePool,
  sequential,
  uniformWithin,
  type Layer,
  type Model,
} from '../nn/index.js';
import { sigmoid, silu } from '../tensor/index.js';
import { invertedResidual, normalised } from './inverted-residual.js';
import { threeChannels, type ModelInput } from './model-input.js';

/**
 * EfficientNet-B3 (Tan & Le, ICML 2019) with torchvision's names and settings.
 *
 * `stem: 'small'` starts with stride 1 instead of 2 (the same weights fit both). `width` multiplies B3's own factor.
 * The probability of dropping a residual rises from 0 at the first block to `stochasticDepth`; `dropout` stands before
 * the last layer.
 */
export function efficientnetB3(
  { stem, width, dropout: rate, stochasticDepth, head }: Extract<ModelSpec, { name: 'efficientnet-b3' }>,
  { channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    const features = scope.at('features');
    const { stem: first, blocks } = efficientNetB3(width);
    const stride = stem === 'imagenet' ? 2 : 1;
    const layers: Layer[] = [
      threeChannels(channels),
      normalised(features.at(0), { inputs: 3, outputs: first, kernel: 3, stride }, {}, silu),
    ];
    const places = new Map<number, number>();
    let inputs = first;
    blocks.forEach(({ stage, squeezed, ...block }, index) => {
      const place = places.get(stage) ?? 0;
      places.set(stage, place + 1);
      layers.push(
        invertedResidual(features.at(stage + 1).at(place), {
          ...block,
          squeeze: { squeezed, activation: silu, gate: sigmoid },
          activation: silu,
          norm: {},
          stochasticDepth: (stochasticDepth * index) / blocks.length,
        }),
      );
      inputs = block.outputs;
    });
    const last = efficientNetLastExpansion * inputs;
    layers.push(
      normalised(features.at(places.size + 1), { inputs, outputs: last, kernel: 1 }, {}, silu),
      globalAveragePool,
      dropout(rate),
      classifier(
        scope.at('classifier').at(1),
        {
          ...{ inputs: last, outputs: classes },
          initial: uniformWithin(1 / Math.sqrt(classes)),
          initialBias: filled(0),
        },
        head,
      ),
    );
    return sequential(layers);
  });
}
