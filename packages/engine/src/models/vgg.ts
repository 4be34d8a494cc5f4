import { makeDivisible, vggConvolutions, type ModelSpec } from '@ferment/contracts';
import {
  batchNorm2d,
  classifier,
  conv2d,
  defineModel,
  dropout,
  globalAveragePool,
  sequential,
  type Layer,
  type Model,
} from '../nn/index.js';
import { relu } from '../tensor/index.js';
import type { ModelInput } from './model-input.js';

/**
 * A plain network of seven 3x3 convolutions in the manner of VGG (Simonyan & Zisserman, ICLR 2015) with batch norm,
 * strides in place of pooling, and a mean over the picture before one linear layer. It takes the picture's own
 * channels. Names: `features.N.0` convolution, `features.N.1` batch norm, `classifier.1` linear layer.
 */
export function vgg(
  { width, dropout: rate, head }: Extract<ModelSpec, { name: 'vgg' }>,
  { channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    const layers: Layer[] = [];
    let inputs: number = channels;
    vggConvolutions.forEach(({ channels: wanted, stride }, index) => {
      const outputs = makeDivisible(wanted * width);
      const place = scope.at('features').at(index);
      layers.push(
        conv2d(place.at(0), { inputs, outputs, kernel: 3, stride }),
        batchNorm2d(place.at(1), { channels: outputs }),
        relu,
      );
      inputs = outputs;
    });
    const last = scope.at('classifier').at(1);
    layers.push(globalAveragePool, dropout(rate), classifier(last, { inputs, outputs: classes }, head));
    return sequential(layers);
  });
}
