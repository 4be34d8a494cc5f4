import {
  makeDivisible,
  mobilenetV3LargeBlocks,
  mobilenetV3LargeHidden,
  mobilenetV3LargeStem,
  mobilenetV3LastExpansion,
  squeezeChannels,
  type InvertedResidual,
  type ModelSpec,
} from '@ferment/contracts';
import {
  batchNorm2d,
  conv2d,
  defineModel,
  dropout,
  filled,
  globalAveragePool,
  kaimingNormal,
  linear,
  normal,
  sequential,
  squeezeExcite,
  type Conv2dOptions,
  type Layer,
  type Model,
  type Scope,
} from '../nn/index.js';
import { add, hardSwish, relu } from '../tensor/index.js';
import { threeChannels, type ModelInput } from './model-input.js';

/** torchvision's settings, without which its weights do not carry over. */
const norm = { epsilon: 1e-3, momentum: 0.01 } as const;

const linearInitial = { initial: normal(0.01), initialBias: filled(0) } as const;

/** Convolution `0`, batch norm `1`, activation: torchvision's Conv2dNormActivation. */
function normalised(scope: Scope, options: Conv2dOptions, activation?: Layer): Layer {
  const layers = [
    conv2d(scope.at(0), options),
    batchNorm2d(scope.at(1), { channels: options.outputs, ...norm }),
  ];
  return sequential(activation ? [...layers, activation] : layers);
}

/** Inverted residual (Sandler et al., CVPR 2018) with squeeze-and-excitation (MobileNetV3, figure 4). */
function invertedResidual(scope: Scope, block: InvertedResidual, inputs: number, width: number): Layer {
  const { kernel, stride, squeeze } = block;
  const expanded = makeDivisible(block.expanded * width);
  const outputs = makeDivisible(block.out * width);
  const activation: Layer = block.activation === 'relu' ? relu : hardSwish;
  const layers: Layer[] = [];
  // torchvision numbers the layers of a block in order, so an absent expansion shifts the names.
  const next = (): Scope => scope.at('block').at(layers.length);

  if (expanded !== inputs)
    layers.push(normalised(next(), { inputs, outputs: expanded, kernel: 1 }, activation));
  layers.push(
    normalised(
      next(),
      {
        inputs: expanded,
        outputs: expanded,
        kernel,
        stride,
        depthwise: true,
        // PyTorch's fan-out does not divide by groups.
        initial: kaimingNormal(kernel * kernel * expanded),
      },
      activation,
    ),
  );
  if (squeeze)
    layers.push(squeezeExcite(next(), { channels: expanded, squeezed: squeezeChannels(expanded) }));
  layers.push(normalised(next(), { inputs: expanded, outputs, kernel: 1 }));

  const residual = sequential(layers);
  if (stride !== 1 || inputs !== outputs) return residual;
  return (x, pass) => add(residual(x, pass), x);
}

/**
 * MobileNetV3-Large (Howard et al., ICCV 2019) with torchvision's names and settings.
 *
 * `stem: 'small'` starts with stride 1 instead of 2 (the same weights fit both). `width` scales channel counts as
 * torchvision's `width_mult` does. `dropout` stands before the last layer.
 */
export function mobilenetV3Large(
  { stem, width, dropout: rate }: Extract<ModelSpec, { name: 'mobilenetv3-large' }>,
  { channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    const features = scope.at('features');
    const classifier = scope.at('classifier');
    let inputs = makeDivisible(mobilenetV3LargeStem * width);
    const stride = stem === 'imagenet' ? 2 : 1;
    const layers: Layer[] = [
      threeChannels(channels),
      normalised(features.at(0), { inputs: 3, outputs: inputs, kernel: 3, stride }, hardSwish),
    ];
    mobilenetV3LargeBlocks.forEach((block, index) => {
      layers.push(invertedResidual(features.at(index + 1), block, inputs, width));
      inputs = makeDivisible(block.out * width);
    });
    const last = mobilenetV3LastExpansion * inputs;
    const hidden = makeDivisible(mobilenetV3LargeHidden * width);
    const lastScope = features.at(mobilenetV3LargeBlocks.length + 1);
    layers.push(
      normalised(lastScope, { inputs, outputs: last, kernel: 1 }, hardSwish),
      globalAveragePool,
      linear(classifier.at(0), { inputs: last, outputs: hidden, ...linearInitial }),
      hardSwish,
      dropout(rate),
      linear(classifier.at(3), { inputs: hidden, outputs: classes, ...linearInitial }),
    );
    return sequential(layers);
  });
}
