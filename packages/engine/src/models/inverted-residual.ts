import { squeezeChannels } from '@ferment/contracts';
import {
  batchNorm2d,
  conv2d,
  kaimingNormal,
  sequential,
  squeezeExcite,
  type BatchNormOptions,
  type Conv2dOptions,
  type Layer,
  type Scope,
} from '../nn/index.js';
import { add } from '../tensor/index.js';

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
  /** Whether the expanded channels are weighted by squeeze-and-excitation. */
  readonly squeeze: boolean;
  readonly activation: Layer;
  readonly norm: NormSettings;
}

/**
 * Inverted residual, or MBConv (Sandler et al., CVPR 2018), with squeeze-and-excitation as MobileNetV3 has it (figure
 * 4), under torchvision's names. The input is added where the shape allows.
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
  if (squeeze)
    layers.push(squeezeExcite(next(), { channels: expanded, squeezed: squeezeChannels(expanded) }));
  layers.push(normalised(next(), { inputs: expanded, outputs, kernel: 1 }, norm));

  const residual = sequential(layers);
  if (stride !== 1 || inputs !== outputs) return residual;
  return (x, pass) => add(residual(x, pass), x);
}
