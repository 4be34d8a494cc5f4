import {
  makeDivisible,
  resEmoteNetConvolutions,
  resEmoteNetHidden,
  resEmoteNetReduction,
  resEmoteNetResiduals,
  type ModelSpec,
} from '@ferment/contracts';
import {
  batchNorm2d,
  classifier,
  conv2d,
  defineModel,
  dropout,
  globalAveragePool,
  linear,
  linearDefault,
  linearWithoutBias,
  maxPool2d,
  sequential,
  type Layer,
  type Model,
  type Scope,
} from '../nn/index.js';
import { mean, multiply, relu, reshape, sigmoid } from '../tensor/index.js';
import { basicBlock } from './basic-block.js';
import { threeChannels, type ModelInput } from './model-input.js';

/** A convolution with bias and PyTorch's own first values, which the authors leave as they are. */
const convolution: typeof conv2d = (scope, options) => {
  const initial = linearDefault(options.kernel ** 2 * options.inputs);
  return conv2d(scope, { ...options, bias: true, initial, initialBias: initial });
};

/** The authors' squeeze-and-excitation: two linear layers without bias, ReLU between them, a sigmoid after. */
function squeeze(scope: Scope, channels: number): Layer {
  const squeezed = Math.floor(channels / resEmoteNetReduction);
  const weights = sequential([
    linearWithoutBias(scope.at('fc').at(0), { inputs: channels, outputs: squeezed }),
    relu,
    linearWithoutBias(scope.at('fc').at(2), { inputs: squeezed, outputs: channels }),
    sigmoid,
  ]);
  return (x, pass) => multiply(x, reshape(weights(mean(x, [1, 2]), pass), [-1, 1, 1, channels]));
}

/**
 * ResEmoteNet (Roy et al., 2024) with the names of the authors' code: three 3x3 convolutions, each followed by batch
 * norm, ReLU and a max pool of 2; squeeze-and-excitation; three residual blocks of stride 2; a mean over the map; four
 * linear layers. Convolutions and projections have biases.
 *
 * The switches are those of its Table IV: `squeeze: false` (C2), `withoutConvolutions` 1 and 2 (C3, C4), whose next
 * convolution then takes the picture, `withoutResiduals` 1 and 2 (C5, C6), whose next block takes the map as it is.
 * What stays keeps its name. `width` scales every channel count.
 */
export function resEmoteNet(
  spec: Extract<ModelSpec, { name: 'resemotenet' }>,
  { channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    const layers: Layer[] = [threeChannels(channels)];
    let inputs = 3;
    const widen = (wanted: number): { inputs: number; outputs: number } => {
      const entering = inputs;
      inputs = makeDivisible(wanted * spec.width);
      return { inputs: entering, outputs: inputs };
    };
    resEmoteNetConvolutions.forEach((wanted, index) => {
      if (index < spec.withoutConvolutions) return;
      layers.push(
        convolution(scope.at(`conv${index + 1}`), { ...widen(wanted), kernel: 3 }),
        batchNorm2d(scope.at(`bn${index + 1}`), { channels: inputs }),
        relu,
        maxPool2d(2, 2),
      );
      if (index < resEmoteNetConvolutions.length - 1) layers.push(dropout(spec.convolutionDropout));
    });
    if (spec.squeeze) layers.push(squeeze(scope.at('se'), inputs));
    resEmoteNetResiduals.forEach((wanted, index) => {
      if (index < spec.withoutResiduals) return;
      const place = scope.at(`residual_block${index + 1}`);
      layers.push(basicBlock(place, { ...widen(wanted), stride: 2, shortcut: 'shortcut', convolution }));
    });
    layers.push(globalAveragePool);
    resEmoteNetHidden.forEach((wanted, index) => {
      layers.push(linear(scope.at(`fc${index + 1}`), widen(wanted)), relu, dropout(spec.dropout));
    });
    const last = scope.at(`fc${resEmoteNetHidden.length + 1}`);
    layers.push(classifier(last, { inputs, outputs: classes }, spec.head));
    return sequential(layers);
  });
}
