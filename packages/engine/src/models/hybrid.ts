import {
  hybridHeads,
  hybridHeadWidth,
  hybridStagesOf,
  hybridStem,
  makeDivisible,
  type ModelSpec,
} from '@ferment/contracts';
import {
  classifier,
  defineModel,
  dropout,
  globalAveragePool,
  sequential,
  type Layer,
  type Model,
  type Scope,
} from '../nn/index.js';
import { relu } from '../tensor/index.js';
import { invertedResidual, mobileSqueeze, normalised } from './inverted-residual.js';
import type { ModelInput } from './model-input.js';
import { transformerBlocks, transformerInitial } from './transformer.js';

/**
 * The hybrid student: a convolution of stride 2, then three stages, each opened by an inverted residual (MBConv with
 * squeeze-and-excitation), the last two followed by transformer blocks (pre-norm, GELU, learned positions of the map's
 * size); mean over the map, one linear layer. The order of the parts is that of CoAtNet and MobileViT (Dai et al.,
 * NeurIPS 2021; Mehta & Rastegari, ICLR 2022) at a student's size. It takes the picture's own channels.
 *
 * `transformer: false` puts inverted residuals of about the same cost in the blocks' place; `depth` says how many
 * blocks the two stages have. Names: `stem.0` convolution, `stem.1` batch norm; `stages.N.mbconv` with torchvision's
 * names inside; `stages.N.transformer.` with timm's, `pos_embed`, `blocks.M` and `norm` (in the ablation
 * `stages.N.blocks.M` with torchvision's); `head`.
 */
export function hybrid(
  { width, dropout: rate, transformer, depth, head }: Extract<ModelSpec, { name: 'hybrid' }>,
  { size, channels, classes = 7 }: ModelInput,
): Model {
  return defineModel((scope) => {
    const residual = (
      place: Scope,
      expanded: number,
      shape: { inputs: number; outputs: number; stride: number },
    ) =>
      invertedResidual(place, {
        ...shape,
        expanded,
        kernel: 3,
        squeeze: mobileSqueeze(expanded),
        activation: relu,
        norm: {},
      });
    let inputs = makeDivisible(hybridStem * width);
    let side = Math.ceil(size / 2);
    const layers: Layer[] = [
      normalised(scope.at('stem'), { inputs: channels, outputs: inputs, kernel: 3, stride: 2 }, {}, relu),
    ];
    hybridStagesOf(depth).forEach(({ stage: { stride, expansion, blocks, ...stage }, count }, index) => {
      const place = scope.at('stages').at(index);
      const outputs = makeDivisible(stage.channels * width);
      const expanded = expansion * inputs;
      layers.push(residual(place.at('mbconv'), expanded, { inputs, outputs, stride }));
      side = Math.ceil(side / stride);
      inputs = outputs;
      if (!blocks || count === 0) return;
      if (transformer) {
        const headWidth = hybridHeadWidth(blocks.headWidth, width);
        const mlp = blocks.mlpRatio * outputs;
        layers.push(
          transformerBlocks(place.at('transformer'), {
            channels: outputs,
            side,
            heads: hybridHeads,
            headWidth,
            mlp,
            count,
          }),
        );
        return;
      }
      for (let block = 0; block < count; block += 1) {
        const same = { inputs, outputs, stride: 1 };
        layers.push(residual(place.at('blocks').at(block), blocks.expansion * inputs, same));
      }
    });
    layers.push(
      globalAveragePool,
      dropout(rate),
      classifier(scope.at('head'), { inputs, outputs: classes, ...transformerInitial(inputs) }, head),
    );
    return sequential(layers);
  });
}
