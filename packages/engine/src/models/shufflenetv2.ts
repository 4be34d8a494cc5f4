import {
  makeDivisible,
  shuffleNetV2Channels,
  shuffleNetV2Last,
  shuffleNetV2Stages,
  shuffleNetV2Stem,
  type ModelSpec,
} from '@ferment/contracts';
import {
  batchNorm2d,
  classifier,
  conv2d,
  defineModel,
  globalAveragePool,
  linearDefault,
  maxPool2d,
  sequential,
  type Layer,
  type Model,
  type Scope,
} from '../nn/index.js';
import { concatenate, relu, reshape, slice, transpose, type Tensor } from '../tensor/index.js';
import { normalised } from './inverted-residual.js';
import { threeChannels, type ModelInput } from './model-input.js';

/** Channels of two halves in turn: a1 b1 a2 b2 … (Zhang et al., CVPR 2018, with two groups). */
function shuffle(x: Tensor): Tensor {
  const [height, width, channels] = [x.size(1), x.size(2), x.size(3)];
  const halves = reshape(x, [-1, 2, channels / 2]);
  return reshape(transpose(halves, [0, 2, 1]), [-1, height, width, channels]);
}

/** Layers numbered in a row, as in torchvision's branches: each convolution, its batch norm, perhaps a ReLU. */
function branch(
  scope: Scope,
  steps: readonly { readonly depthwise?: number; readonly inputs: number; readonly outputs: number }[],
): Layer {
  const layers: Layer[] = [];
  for (const { depthwise, inputs, outputs } of steps) {
    // torchvision leaves these convolutions with PyTorch's own first values.
    const options =
      depthwise === undefined
        ? { inputs, outputs, kernel: 1, initial: linearDefault(inputs) }
        : { inputs, outputs, kernel: 3, stride: depthwise, depthwise: true, initial: linearDefault(9) };
    layers.push(
      conv2d(scope.at(layers.length), options),
      batchNorm2d(scope.at(layers.length + 1), { channels: outputs }),
    );
    if (depthwise === undefined) layers.push(relu);
  }
  return sequential(layers);
}

/**
 * A unit of ShuffleNetV2 (figure 3 c and d): half of the channels pass by, or with stride 2 all of them go through a
 * branch of their own; the halves are joined and their channels shuffled.
 */
function unit(scope: Scope, inputs: number, outputs: number, stride: 1 | 2): Layer {
  const half = outputs / 2;
  const entering = stride === 1 ? half : inputs;
  const beside =
    stride === 1
      ? null
      : branch(scope.at('branch1'), [
          { depthwise: stride, inputs, outputs: inputs },
          { inputs, outputs: half },
        ]);
  const line = branch(scope.at('branch2'), [
    { inputs: entering, outputs: half },
    { depthwise: stride, inputs: half, outputs: half },
    { inputs: half, outputs: half },
  ]);
  const part = (x: Tensor, index: 0 | 1) => slice(x, [0, 0, 0, index * half], [-1, -1, -1, half]);
  return (x, pass) => {
    const halves = beside ? [beside(x, pass), line(x, pass)] : [part(x, 0), line(part(x, 1), pass)];
    return shuffle(concatenate(halves, -1));
  };
}

/**
 * ShuffleNetV2 (Ma et al., ECCV 2018) with torchvision's names and settings; width 1 is its x1_0.
 *
 * `stem: 'imagenet'` is a convolution of stride 2 and a max pooling; `'small'` a convolution of stride 1 and no pooling
 * (the same weights fit both). `width` scales every channel count, halves to multiples of 2.
 */
export function shufflenetV2(
  { stem, width, head }: Extract<ModelSpec, { name: 'shufflenetv2' }>,
  { channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    let inputs = makeDivisible(shuffleNetV2Stem * width);
    const stride = stem === 'imagenet' ? 2 : 1;
    const first = { inputs: 3, outputs: inputs, kernel: 3, stride, initial: linearDefault(27) };
    const layers: Layer[] = [threeChannels(channels), normalised(scope.at('conv1'), first, {}, relu)];
    if (stem === 'imagenet') layers.push(maxPool2d(3, 2, 1));
    shuffleNetV2Stages.forEach((stage, index) => {
      const outputs = shuffleNetV2Channels(stage.channels, width);
      for (let at = 0; at < stage.units; at += 1) {
        layers.push(unit(scope.at(`stage${index + 2}`).at(at), inputs, outputs, at === 0 ? 2 : 1));
        inputs = outputs;
      }
    });
    const last = makeDivisible(shuffleNetV2Last * width);
    layers.push(
      normalised(
        scope.at('conv5'),
        { inputs, outputs: last, kernel: 1, initial: linearDefault(inputs) },
        {},
        relu,
      ),
      globalAveragePool,
      classifier(scope.at('fc'), { inputs: last, outputs: classes }, head),
    );
    return sequential(layers);
  });
}
