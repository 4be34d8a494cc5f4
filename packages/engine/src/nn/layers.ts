import {
  add,
  batchNormInference,
  batchNormTraining,
  biasAdd,
  cast,
  constant,
  conv2d as convolve,
  depthwiseConv2d,
  less,
  matMul,
  maxPool,
  mean,
  multiply,
  subtract,
  uniform,
  type Tensor,
  type Window,
} from '../tensor/index.js';
import { filled, kaimingNormal, linearDefault } from './initial.js';
import type { Initialiser, Layer, Pass, Scope } from './module.js';

export interface Conv2dOptions {
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: number;
  /** Default 1. */
  readonly stride?: number;
  /** Zeros on each side; default (kernel - 1) / 2. */
  readonly padding?: number;
  /** Default false: batch normalisation follows and has its own offset. */
  readonly bias?: boolean;
  /** Each channel with its own filter (groups = channels; inputs = outputs). Default false. */
  readonly depthwise?: boolean;
  /** Default Kaiming normal by fan-out, as torchvision's models have it. */
  readonly initial?: Initialiser;
  /** Default zeros. */
  readonly initialBias?: Initialiser;
}

/** A convolution: variables `weight` and, with bias, `bias`. Images are [batch, height, width, channels]. */
export function conv2d(scope: Scope, options: Conv2dOptions): Layer {
  const { inputs, outputs, kernel, depthwise = false, bias = false } = options;
  if (depthwise && inputs !== outputs)
    throw new RangeError('a depthwise convolution keeps the number of channels');
  const window: Window = { stride: options.stride ?? 1, padding: options.padding ?? (kernel - 1) / 2 };
  // PyTorch does not divide the fan-out by the number of groups.
  const fanOut = kernel * kernel * outputs;
  const weight = scope.variable('weight', {
    shape: depthwise ? [kernel, kernel, outputs, 1] : [kernel, kernel, inputs, outputs],
    role: 'parameter',
    layout: depthwise ? 'depthwise' : 'conv',
    initial: options.initial ?? kaimingNormal(fanOut),
  });
  const offset = bias
    ? scope.variable('bias', {
        shape: [outputs],
        role: 'parameter',
        layout: 'vector',
        initial: options.initialBias ?? filled(0),
      })
    : null;
  return (x, pass) => {
    const filter = pass.value(weight);
    const result = depthwise ? depthwiseConv2d(x, filter, window) : convolve(x, filter, window);
    return offset ? biasAdd(result, pass.value(offset)) : result;
  };
}

export interface BatchNormOptions {
  readonly channels: number;
  /** Added to the variance; default 1e-5. */
  readonly epsilon?: number;
  /** Weight of the newest batch in the running statistics; default 0.1. */
  readonly momentum?: number;
}

/** Batch normalisation: `weight`, `bias`, and the buffers `running_mean`, `running_var` (unbiased), as in PyTorch. */
export function batchNorm2d(
  scope: Scope,
  { channels, epsilon = 1e-5, momentum = 0.1 }: BatchNormOptions,
): Layer {
  const vector = (name: string, role: 'parameter' | 'buffer', value: number) =>
    scope.variable(name, { shape: [channels], role, layout: 'vector', initial: filled(value) });
  const weight = vector('weight', 'parameter', 1);
  const bias = vector('bias', 'parameter', 0);
  const runningMean = vector('running_mean', 'buffer', 0);
  const runningVariance = vector('running_var', 'buffer', 1);
  return (x, pass) => {
    const scale = pass.value(weight);
    const offset = pass.value(bias);
    const oldMean = pass.value(runningMean);
    const oldVariance = pass.value(runningVariance);
    if (!pass.trains(weight)) return batchNormInference(x, scale, offset, oldMean, oldVariance, epsilon);
    const empty = constant([], [0], 'float32');
    const { output, mean, variance } = batchNormTraining(x, scale, offset, empty, epsilon);
    const newest = pass.newest ?? momentum;
    const rest = typeof newest === 'number' ? 1 - newest : subtract(1, newest);
    pass.update(runningMean, add(multiply(oldMean, rest), multiply(mean, newest)));
    pass.update(runningVariance, add(multiply(oldVariance, rest), multiply(variance, newest)));
    return output;
  };
}

export interface LinearOptions {
  readonly inputs: number;
  readonly outputs: number;
  /** Default: PyTorch's, uniform within 1 / sqrt(inputs). */
  readonly initial?: Initialiser;
  readonly initialBias?: Initialiser;
}

/** The weight of a fully connected layer, [inputs, outputs]. */
export function linearWeight(scope: Scope, { inputs, outputs, initial }: LinearOptions): string {
  return scope.variable('weight', {
    shape: [inputs, outputs],
    role: 'parameter',
    layout: 'linear',
    initial: initial ?? linearDefault(inputs),
  });
}

function linearVariables(scope: Scope, options: LinearOptions): { weight: string; bias: string } {
  const { inputs, outputs, initialBias } = options;
  const weight = linearWeight(scope, options);
  const bias = scope.variable('bias', {
    shape: [outputs],
    role: 'parameter',
    layout: 'vector',
    initial: initialBias ?? linearDefault(inputs),
  });
  return { weight, bias };
}

/** A fully connected layer with bias: [batch, inputs] -> [batch, outputs]; variables `weight`, `bias`. */
export function linear(scope: Scope, options: LinearOptions): Layer {
  const { weight, bias } = linearVariables(scope, options);
  return (x, pass) => biasAdd(matMul(x, pass.value(weight)), pass.value(bias));
}

/** A fully connected layer without bias: [batch, inputs] -> [batch, outputs]; variable `weight`. */
export function linearWithoutBias(scope: Scope, options: Omit<LinearOptions, 'initialBias'>): Layer {
  const weight = linearWeight(scope, options);
  return (x, pass) => matMul(x, pass.value(weight));
}

/**
 * A fully connected layer whose result is added to `onto` [batch, outputs]. The bias goes onto that first: TensorFlow's
 * graph optimizer merges a product, its bias and another addend into one op that sums in another order than eager does.
 */
export function linearOnto(
  scope: Scope,
  options: LinearOptions,
): (x: Tensor, onto: Tensor, pass: Pass) => Tensor {
  const { weight, bias } = linearVariables(scope, options);
  return (x, onto, pass) => add(biasAdd(onto, pass.value(bias)), matMul(x, pass.value(weight)));
}

/** Drops each value with this probability while training and scales the rest up (Srivastava et al., 2014). */
export function dropout(rate: number): Layer {
  if (rate === 0) return (x) => x;
  return (x, pass) => {
    if (!pass.training) return x;
    const keep = cast(less(uniform(pass.nextKey(), x.shape), 1 - rate), 'float32');
    return cast(multiply(x, multiply(keep, 1 / (1 - rate))), x.dtype);
  };
}

/**
 * Drops each picture's whole residual with this probability while training and scales the rest up (Huang et al., ECCV
 * 2016; torchvision's mode `row`): [batch, height, width, channels].
 */
export function stochasticDepth(rate: number): Layer {
  if (rate === 0) return (x) => x;
  return (x, pass) => {
    if (!pass.training) return x;
    const keep = cast(less(uniform(pass.nextKey(), [x.size(0), 1, 1, 1]), 1 - rate), 'float32');
    return cast(multiply(x, multiply(keep, 1 / (1 - rate))), x.dtype);
  };
}

/** Max pooling layer; `padding` defaults to 0. */
export function maxPool2d(kernel: number, stride: number, padding = 0): Layer {
  return (x) => maxPool(x, kernel, { stride, padding });
}

/** Mean over the picture: [batch, height, width, channels] -> [batch, channels]. */
export const globalAveragePool: Layer = (x) => mean(x, [1, 2]);

export interface SqueezeExciteOptions {
  readonly channels: number;
  readonly squeezed: number;
  /** Between the two layers. */
  readonly activation: (x: Tensor) => Tensor;
  /** What turns the second layer's answer into a weight. */
  readonly gate: (x: Tensor) => Tensor;
}

/** Squeeze-and-excitation (Hu et al., CVPR 2018); variables `fc1.*`, `fc2.*` of 1x1 convolutions with bias. */
export function squeezeExcite(
  scope: Scope,
  { channels, squeezed, activation, gate }: SqueezeExciteOptions,
): Layer {
  const fc1 = conv2d(scope.at('fc1'), { inputs: channels, outputs: squeezed, kernel: 1, bias: true });
  const fc2 = conv2d(scope.at('fc2'), { inputs: squeezed, outputs: channels, kernel: 1, bias: true });
  return (x, pass) => {
    const pooled = mean(x, [1, 2], true);
    return multiply(x, gate(fc2(activation(fc1(pooled, pass)), pass)));
  };
}
