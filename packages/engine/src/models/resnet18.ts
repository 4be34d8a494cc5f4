import {
  makeDivisible,
  resnet18BlocksPerStage,
  resnet18Stages,
  type HeadSpec,
  type ModelSpec,
} from '@ferment/contracts';
import {
  batchNorm2d,
  classifier,
  conv2d,
  defineModel,
  globalAveragePool,
  maxPool2d,
  sequential,
  type Layer,
  type Model,
} from '../nn/index.js';
import { relu } from '../tensor/index.js';
import { basicBlock, type BasicBlockOptions } from './basic-block.js';
import { threeChannels, type ModelInput } from './model-input.js';

/** Four stages of basic blocks between the stem and the mean over the map (He et al., CVPR 2016, table 1). */
export function residualNetwork(
  {
    stem,
    width,
    head,
    weigh,
  }: { stem: 'imagenet' | 'small'; width: number; head?: HeadSpec | undefined } & Pick<
    BasicBlockOptions,
    'weigh'
  >,
  { channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    const first = makeDivisible(resnet18Stages[0].channels * width);
    const convolution =
      stem === 'imagenet'
        ? { inputs: 3, outputs: first, kernel: 7, stride: 2 }
        : { inputs: 3, outputs: first, kernel: 3 };
    const layers: Layer[] = [
      threeChannels(channels),
      conv2d(scope.at('conv1'), convolution),
      batchNorm2d(scope.at('bn1'), { channels: first }),
      relu,
    ];
    if (stem === 'imagenet') layers.push(maxPool2d(3, 2, 1));
    let inputs = first;
    resnet18Stages.forEach((stage, index) => {
      const outputs = makeDivisible(stage.channels * width);
      for (let block = 0; block < resnet18BlocksPerStage; block += 1) {
        const stride = block === 0 ? stage.stride : 1;
        layers.push(
          basicBlock(scope.at(`layer${index + 1}`).at(block), {
            inputs,
            outputs,
            stride,
            ...(weigh && { weigh }),
          }),
        );
        inputs = outputs;
      }
    });
    layers.push(globalAveragePool, classifier(scope.at('fc'), { inputs, outputs: classes }, head));
    return sequential(layers);
  });
}

/**
 * ResNet-18 (He et al., CVPR 2016) with torchvision's names and settings.
 *
 * `stem: 'imagenet'` is the 7x7 convolution of stride 2 and the max pooling; `'small'` a 3x3 convolution of stride 1
 * and no pooling, for pictures of 32 to 64 pixels. `width` scales every channel count, rounded to multiples of 8.
 */
export function resnet18(spec: Extract<ModelSpec, { name: 'resnet18' }>, input: ModelInput): Model {
  return residualNetwork(spec, input);
}
