import { batchNorm2d, conv2d, sequential, type Layer, type Scope } from '../nn/index.js';
import { add, relu } from '../tensor/index.js';

export interface BasicBlockOptions {
  readonly inputs: number;
  readonly outputs: number;
  readonly stride: number;
  /** The name of the projection; torchvision's `downsample` by default. */
  readonly shortcut?: string;
  /** Convolutions in the place of the usual ones, such as convolutions with bias. */
  readonly convolution?: typeof conv2d;
  /** Weighs the residual before the shortcut is added, given the block's scope and channels. */
  readonly weigh?: (scope: Scope, channels: number) => Layer;
}

/** Two 3x3 convolutions and a shortcut (He et al., CVPR 2016, figure 5 left); a 1x1 projection where the shape changes. */
export function basicBlock(scope: Scope, options: BasicBlockOptions): Layer {
  const { inputs, outputs, stride, convolution = conv2d, weigh } = options;
  const residual = [
    convolution(scope.at('conv1'), { inputs, outputs, kernel: 3, stride }),
    batchNorm2d(scope.at('bn1'), { channels: outputs }),
    relu,
    convolution(scope.at('conv2'), { inputs: outputs, outputs, kernel: 3 }),
    batchNorm2d(scope.at('bn2'), { channels: outputs }),
  ];
  if (weigh) residual.push(weigh(scope, outputs));
  const projection = scope.at(options.shortcut ?? 'downsample');
  const shortcut =
    stride === 1 && inputs === outputs
      ? []
      : [
          convolution(projection.at(0), { inputs, outputs, kernel: 1, stride }),
          batchNorm2d(projection.at(1), { channels: outputs }),
        ];
  const [line, beside] = [sequential(residual), sequential(shortcut)];
  return (x, pass) => relu(add(line(x, pass), beside(x, pass)));
}
