import { seresnet18Squeezed, type ModelSpec } from '@ferment/contracts';
import { squeezeExcite, type Model } from '../nn/index.js';
import { relu, sigmoid } from '../tensor/index.js';
import type { ModelInput } from './model-input.js';
import { residualNetwork } from './resnet18.js';

/**
 * ResNet-18 whose residuals are weighed by squeeze-and-excitation (Hu et al., CVPR 2018) before the shortcut is added,
 * with timm's names (`se.fc1`, `se.fc2` in each block) and settings. Stems and width as in ResNet-18.
 */
export function seresnet18(spec: Extract<ModelSpec, { name: 'seresnet18' }>, input: ModelInput): Model {
  return residualNetwork(
    {
      ...spec,
      weigh: (scope, channels) =>
        squeezeExcite(scope.at('se'), {
          channels,
          squeezed: seresnet18Squeezed(channels),
          activation: relu,
          gate: sigmoid,
        }),
    },
    input,
  );
}
