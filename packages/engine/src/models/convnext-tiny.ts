import {
  convNeXtKernel,
  convNeXtMlpRatio,
  convNeXtStems,
  convNeXtTinyStages,
  makeDivisible,
  type ModelSpec,
} from '@ferment/contracts';
import {
  classifier,
  conv2d,
  defineModel,
  filled,
  globalAveragePool,
  linear,
  normal,
  sequential,
  stochasticDepth,
  type Layer,
  type Model,
  type Scope,
} from '../nn/index.js';
import { add, gelu, multiply, reshape } from '../tensor/index.js';
import { layerNorm } from './transformer.js';
import { threeChannels, type ModelInput } from './model-input.js';

/** torchvision's `trunc_normal_(std=.02)`, cut a hundred deviations away; biases are 0. */
const initial = { initial: normal(0.02), initialBias: filled(0) } as const;
/** First value of every layer's scale. */
const firstScale = 1e-6;

/** Layers on rows of channels, applied to every pixel of a map [batch, side, side, channels]. */
function onPixels(layers: readonly Layer[], channels: number): Layer {
  const through = sequential(layers);
  return (x, pass) => {
    const [height, width] = [x.size(1), x.size(2)];
    return reshape(through(reshape(x, [-1, channels]), pass), [-1, height, width, channels]);
  };
}

/** A 7x7 convolution of each channel, layer norm, an MLP with GELU, the layer's scale; the input is added. */
function block(scope: Scope, channels: number, rate: number): Layer {
  const hidden = convNeXtMlpRatio * channels;
  // The file has it as [channels, 1, 1].
  const scale = scope.variable('layer_scale', {
    shape: [channels],
    role: 'parameter',
    layout: 'channels',
    initial: filled(firstScale),
  });
  const inside = scope.at('block');
  const residual = sequential([
    conv2d(inside.at(0), {
      ...{ inputs: channels, outputs: channels, kernel: convNeXtKernel },
      ...{ depthwise: true, bias: true, ...initial },
    }),
    onPixels(
      [
        layerNorm(inside.at(2), channels),
        linear(inside.at(3), { inputs: channels, outputs: hidden, ...initial }),
        gelu,
        linear(inside.at(5), { inputs: hidden, outputs: channels, ...initial }),
        (x, pass) => multiply(x, pass.value(scale)),
      ],
      channels,
    ),
    stochasticDepth(rate),
  ]);
  return (x, pass) => add(residual(x, pass), x);
}

/**
 * ConvNeXt-Tiny (Liu et al., CVPR 2022) with torchvision's names and settings.
 *
 * `stem: 'small'` takes its patches every second pixel instead of side by side (the same weights fit both). `width`
 * scales every channel count. The probability of dropping a residual rises from 0 to `stochasticDepth` at the last.
 */
export function convnextTiny(
  { stem, width, stochasticDepth: rate, head }: Extract<ModelSpec, { name: 'convnext-tiny' }>,
  { channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    const features = scope.at('features');
    const total = convNeXtTinyStages.reduce((sum, { blocks }) => sum + blocks, 0);
    const layers: Layer[] = [threeChannels(channels)];
    let inputs = 3;
    let place = 0;
    let index = 0;
    for (const stage of convNeXtTinyStages) {
      const outputs = makeDivisible(stage.channels * width);
      const reduction = features.at(place++);
      if (place === 1) {
        const window = { kernel: 4, ...convNeXtStems[stem] };
        layers.push(
          conv2d(reduction.at(0), { inputs, outputs, ...window, bias: true, ...initial }),
          onPixels([layerNorm(reduction.at(1), outputs)], outputs),
        );
      } else {
        const window = { kernel: 2, stride: 2, padding: 0 };
        layers.push(
          onPixels([layerNorm(reduction.at(0), inputs)], inputs),
          conv2d(reduction.at(1), { inputs, outputs, ...window, bias: true, ...initial }),
        );
      }
      const blocks = features.at(place++);
      for (let at = 0; at < stage.blocks; at += 1)
        layers.push(block(blocks.at(at), outputs, (rate * index++) / (total - 1)));
      inputs = outputs;
    }
    const last = scope.at('classifier');
    layers.push(
      globalAveragePool,
      layerNorm(last.at(0), inputs),
      classifier(last.at(2), { inputs, outputs: classes, ...initial }, head),
    );
    return sequential(layers);
  });
}
