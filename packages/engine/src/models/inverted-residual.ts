import { squeezeChannels } from '@ferment/contracts';
import {
  batchNorm2d,
  conv2d,
  kaimingNormal,
  sequential,
  squeezeExcite,
  stochasticDepth,
  type BatchNormOptions,
  type Conv2dOptions,
  type Layer,
  type Scope,
  type SqueezeExciteOptions,
} from '../nn/index.js';
import { add, hardSigmoid, relu } from '../tensor/index.js';

export type NormSettings = Omit<BatchNormOptions, 'channels'>;

/** Convolution `0`, batch norm `1`, activation: torchvision's Conv2dNormActivation. */
export function normalised(
  scope: Scope,
  options: Conv2dOptions,
  norm: NormSettings,
  activation?: Layer,
): Layer {
  const layers = [
    conv2d(scope.at(0), options),
    batchNorm2d(scope.at(1), { channels: options.outputs, ...norm }),
  ];
  return sequential(activation ? [...layers, activation] : layers);
}

export interface InvertedResidualOptions {
  readonly inputs: number;
  /** Channels inside; where they are the inputs', the first convolution falls away. */
  readonly expanded: number;
  readonly outputs: number;
  /** Of the depthwise convolution. */
  readonly kernel: number;
  readonly stride: number;
  /** How the expanded channels are weighted by squeeze-and-excitation; null where they are not. */
  readonly squeeze: Omit<SqueezeExciteOptions, 'channels'> | null;
  readonly activation: Layer;
  readonly norm: NormSettings;
  /** Probability that a picture's residual is dropped; default 0. */
  readonly stochasticDepth?: number;
}

/** Squeeze-and-excitation as torchvision's MobileNetV3 has it: a quarter of the channels, ReLU, then hard sigmoid. */
export function mobileSqueeze(expanded: number): Omit<SqueezeExciteOptions, 'channels'> {
  return { squeezed: squeezeChannels(expanded), activation: relu, gate: hardSigmoid };
}

/**
 * Inverted residual, or MBConv (Sandler et al., CVPR 2018), with squeeze-and-excitation between its convolutions as
 * MobileNetV3 (figure 4) and EfficientNet have it, under torchvision's names. The input is added where the shape allows.
 */
export function invertedResidual(scope: Scope, options: InvertedResidualOptions): Layer {
  const { inputs, expanded, outputs, kernel, stride, squeeze, activation, norm } = options;
  const layers: Layer[] = [];
  // torchvision numbers the layers of a block in order, so an absent expansion shifts the names.
  const next = (): Scope => scope.at('block').at(layers.length);

  if (expanded !== inputs)
    layers.push(normalised(next(), { inputs, outputs: expanded, kernel: 1 }, norm, activation));
  const depthwise = {
    ...{ inputs: expanded, outputs: expanded, kernel, stride },
    depthwise: true,
    // PyTorch's fan-out does not divide by groups.
    initial: kaimingNormal(kernel * kernel * expanded),
  };
  layers.push(normalised(next(), depthwise, norm, activation));
  if (squeeze) layers.push(squeezeExcite(next(), { channels: expanded, ...squeeze }));
  layers.push(normalised(next(), { inputs: expanded, outputs, kernel: 1 }, norm));

  if (stride !== 1 || inputs !== outputs) return sequential(layers);
  const residual = sequential([...layers, stochasticDepth(options.stochasticDepth ?? 0)]);
  return (x, pass) => add(residual(x, pass), x);
}
