import type { NodeDef } from '../capture/index.js';
import { attributeOf, ExportError } from './export-error.js';
import type { OnnxBuilder } from './onnx-builder.js';
import type { OnnxAttribute } from './onnx-proto.js';

/** Writes in ONNX what a node computes. */
export type Translation = (builder: OnnxBuilder, node: NodeDef) => void;

/** [top, left, bottom, right]. */
function padding(node: NodeDef, kernel: readonly number[], strides: readonly number[]): number[] {
  const mode = attributeOf(node, 'padding', 'string');
  if (mode === 'VALID') return [0, 0, 0, 0];
  if (mode === 'EXPLICIT') {
    const [, , top = 0, bottom = 0, left = 0, right = 0] = attributeOf(node, 'explicit_paddings', 'ints');
    return [top, left, bottom, right];
  }
  if (strides.some((stride) => stride !== 1) || kernel.some((size) => size % 2 === 0)) {
    throw new ExportError(
      node,
      `padding ${mode} depends on the picture's size here; spell it out (EXPLICIT)`,
    );
  }
  const sides = kernel.map((size) => (size - 1) / 2);
  return [...sides, ...sides];
}

function window(node: NodeDef, kernel: readonly number[]): Record<string, OnnxAttribute> {
  const strides = attributeOf(node, 'strides', 'ints').slice(1, 3);
  return { kernel_shape: kernel, strides, pads: padding(node, kernel, strides) };
}

const convolution: Translation = (builder, node) => {
  const [height = 1, width = 1, channels = 1] = builder.shape(builder.from(node, 1));
  builder.emitPicture(node, 'Conv', [builder.picture(node, 0), builder.weight(node, 1)], {
    ...window(node, [height, width]),
    group: node.op === 'DepthwiseConv2dNative' ? channels : 1,
  });
};

const withBias = ['Conv2D', 'DepthwiseConv2dNative', 'MatMul'];

/** ONNX's convolution and matrix product take the bias themselves; on tokens it is a sum. */
const biasAdd: Translation = (builder, node) => {
  const from = builder.from(node, 0);
  const last = builder.nodes.at(-1);
  if (withBias.includes(from.op) && last?.output === from.name && builder.useCount(from) === 1) {
    builder.nodes.pop();
    const inputs = [...last.inputs, builder.weight(node, 1)];
    if (builder.isPicture(node, 0)) builder.emitPicture(node, last.op, inputs, last.attributes);
    else builder.emit(node, last.op, inputs, last.attributes);
    return;
  }
  if (builder.isPicture(node, 0)) {
    throw new ExportError(node, 'on pictures, expected right after a convolution that nothing else uses');
  }
  builder.emit(node, 'Add', [builder.plain(node, 0), builder.weight(node, 1)]);
};

const matMul: Translation = (builder, node) => {
  if (attributeOf(node, 'transpose_a', 'bool') || attributeOf(node, 'transpose_b', 'bool')) {
    throw new ExportError(node, 'expected no transposition');
  }
  // Weights are written as files have them, [outputs, inputs].
  builder.emit(node, 'Gemm', [builder.plain(node, 0), builder.weight(node, 1)], { transB: 1 });
};

const batchNorm: Translation = (builder, node) => {
  if (attributeOf(node, 'is_training', 'bool')) throw new ExportError(node, 'expected inference mode');
  const vectors = [1, 2, 3, 4].map((index) => builder.weight(node, index));
  builder.emitPicture(node, 'BatchNormalization', [builder.picture(node, 0), ...vectors], {
    epsilon: { float: attributeOf(node, 'epsilon', 'float') },
  });
};

/** An operand beside pictures: of their rank, or a constant: a scalar, or [1, 1, 1, channels] turned channels-first. */
function pictureOperand(builder: OnnxBuilder, node: NodeDef, index: number): string {
  const from = builder.from(node, index);
  const shape = builder.shape(from);
  if (from.op !== 'Const') {
    if (shape.length !== builder.shape(node).length) {
      throw new ExportError(node, `input ${index} of rank ${shape.length} broadcasts; only constants may`);
    }
    return builder.picture(node, index);
  }
  const { data } = builder.constant(node, index);
  if (shape.length === 0) return builder.initializer(from.name, [], () => Float32Array.from(data));
  const [first, height, width, channels = 1] = shape;
  if (shape.length !== 4 || first !== 1 || height !== 1 || width !== 1) {
    throw new ExportError(node, `constant [${shape.join(', ')}]: expected a scalar or [1, 1, 1, channels]`);
  }
  return builder.initializer(from.name, [1, channels, 1, 1], () => Float32Array.from(data));
}

/** An operand among tokens: computed, a variable or a constant; ONNX broadcasts as the engine does. */
function plainOperand(builder: OnnxBuilder, node: NodeDef, index: number): string {
  const from = builder.from(node, index);
  if (from.op === 'ReadVariableOp') return builder.weight(node, index);
  if (from.op !== 'Const') return builder.plain(node, index);
  const { shape, data } = builder.constant(node, index);
  return builder.initializer(from.name, shape, () => Float32Array.from(data));
}

const uncomputed = ['Const', 'ReadVariableOp'];

function elementwise(op: string): Translation {
  return (builder, node) => {
    const pictures = [0, 1].some(
      (index) => !uncomputed.includes(builder.from(node, index).op) && builder.isPicture(node, index),
    );
    const operand = pictures ? pictureOperand : plainOperand;
    const inputs = [operand(builder, node, 0), operand(builder, node, 1)];
    if (pictures) builder.emitPicture(node, op, inputs);
    else builder.emit(node, op, inputs);
  };
}

/** An op on each value by itself, in whichever order of axes `source`'s input is. */
function eachValue(
  builder: OnnxBuilder,
  node: NodeDef,
  op: string,
  rest: readonly string[] = [],
  attributes: Readonly<Record<string, OnnxAttribute>> = {},
  source = node,
): void {
  if (builder.isPicture(source, 0)) {
    builder.emitPicture(node, op, [builder.picture(source, 0), ...rest], attributes);
  } else {
    builder.emit(node, op, [builder.plain(source, 0), ...rest], attributes);
  }
}

function unary(op: string): Translation {
  return (builder, node) => eachValue(builder, node, op);
}

const square: Translation = (builder, node) => {
  const x = builder.plain(node, 0);
  builder.emit(node, 'Mul', [x, x]);
};

const rsqrt: Translation = (builder, node) => {
  const root = builder.step(`${node.name}/root`, 'Sqrt', [builder.plain(node, 0)]);
  builder.emit(node, 'Reciprocal', [root]);
};

const relu6: Translation = (builder, node) => {
  const bounds = [0, 6].map((bound) =>
    builder.initializer(`bound/${bound}`, [], () => Float32Array.of(bound)),
  );
  eachValue(builder, node, 'Clip', bounds);
};

/** Whether an input is a constant scalar of this value, in float32. */
function isScalar(builder: OnnxBuilder, node: NodeDef, index: number, value: number): boolean {
  const from = builder.from(node, index);
  return from.op === 'Const' && builder.constant(node, index).data[0] === Math.fround(value);
}

/** relu6(x + 3) / 6 is one op of ONNX, and one pass over the values instead of three. */
const multiply: Translation = (builder, node) => {
  const clipped = builder.from(node, 0);
  const shifted = clipped.op === 'Relu6' ? builder.from(clipped, 0) : null;
  const written = builder.nodes.slice(-2).map(({ output }) => output);
  const fits =
    shifted?.op === 'AddV2' &&
    isScalar(builder, shifted, 1, 3) &&
    isScalar(builder, node, 1, 1 / 6) &&
    [shifted, clipped].every((step, index) => builder.useCount(step) === 1 && written[index] === step.name);
  if (!fits) return elementwise('Mul')(builder, node);
  builder.nodes.splice(-2);
  const line = { alpha: { float: 1 / 6 }, beta: { float: 0.5 } };
  eachValue(builder, node, 'HardSigmoid', [], line, shifted);
};

const maxPool: Translation = (builder, node) => {
  const kernel = attributeOf(node, 'ksize', 'ints').slice(1, 3);
  builder.emitPicture(node, 'MaxPool', [builder.picture(node, 0)], window(node, kernel));
};

/** Of pictures, means are taken over height and width, which are 1 and 2 here and 2 and 3 in ONNX. */
const mean: Translation = (builder, node) => {
  const axes = Array.from(builder.constant(node, 1).data).sort();
  const keep = attributeOf(node, 'keep_dims', 'bool');
  const keepdims = keep ? 1 : 0;
  if (!builder.isPicture(node, 0)) {
    builder.emit(node, 'ReduceMean', [builder.plain(node, 0)], { axes, keepdims });
    return;
  }
  if (axes.join() !== '1,2') {
    throw new ExportError(node, `axes ${axes.join(', ')}: expected the height and width of pictures`);
  }
  const attributes = { axes: [2, 3], keepdims };
  if (keep) builder.emitPicture(node, 'ReduceMean', [builder.picture(node, 0)], attributes);
  else builder.emit(node, 'ReduceMean', [builder.picture(node, 0)], attributes);
};

const reshape: Translation = (builder, node) => {
  const shape = builder.integers(`${node.name}/shape`, Array.from(builder.constant(node, 1).data));
  builder.emit(node, 'Reshape', [builder.plain(node, 0), shape]);
};

const transpose: Translation = (builder, node) => {
  const perm = Array.from(builder.constant(node, 1).data);
  builder.emit(node, 'Transpose', [builder.plain(node, 0)], { perm });
};

/** Axes here to axes of pictures in ONNX, which has the channels before height and width. */
const pictureAxes = [0, 2, 3, 1];

/** A block of some axes; what is taken whole is not named, so that the batch stays free. */
const slice: Translation = (builder, node) => {
  const [begin, size] = [1, 2].map((index) => Array.from(builder.constant(node, index).data));
  const axes = (begin ?? []).flatMap((_, axis) => (size?.[axis] === -1 ? [] : [axis]));
  const starts = axes.map((axis) => begin?.[axis] ?? 0);
  const ends = axes.map((axis) => (begin?.[axis] ?? 0) + (size?.[axis] ?? 0));
  const picture = builder.isPicture(node, 0);
  const named = picture ? axes.map((axis) => pictureAxes[axis] ?? axis) : axes;
  const bounds = Object.entries({ starts, ends, axes: named }).map(([name, values]) =>
    builder.integers(`${node.name}/${name}`, values),
  );
  if (picture) builder.emitPicture(node, 'Slice', [builder.picture(node, 0), ...bounds]);
  else builder.emit(node, 'Slice', [builder.plain(node, 0), ...bounds]);
};

/** The axis is the last input. */
const concat: Translation = (builder, node) => {
  const parts = Array.from({ length: attributeOf(node, 'N', 'int') }, (_, index) => index);
  const axis = builder.constant(node, parts.length).data[0] ?? 0;
  if (parts.some((index) => builder.isPicture(node, index))) {
    const inputs = parts.map((index) => builder.picture(node, index));
    builder.emitPicture(node, 'Concat', inputs, { axis: pictureAxes[axis] ?? axis });
  } else {
    const inputs = parts.map((index) => builder.plain(node, index));
    builder.emit(node, 'Concat', inputs, { axis });
  }
};

/** Each part is what a scalar index picks. */
const unpack: Translation = (builder, node) => {
  const axis = attributeOf(node, 'axis', 'int');
  const x = builder.plain(node, 0);
  node.outputs.forEach((_, part) => {
    const index = builder.integers(`${node.name}/index/${part}`, part);
    builder.emit(node, 'Gather', [x, index], { axis }, part);
  });
};

const batchMatMul: Translation = (builder, node) => {
  const rank = builder.shape(node).length;
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  perm.push(...perm.splice(-2).reverse());
  const inputs = ['adj_x', 'adj_y'].map((side, index) => {
    const x = builder.plain(node, index);
    return attributeOf(node, side, 'bool')
      ? builder.step(`${node.name}/${side}`, 'Transpose', [x], { perm })
      : x;
  });
  builder.emit(node, 'MatMul', inputs);
};

/** Sums and maxima along some axes; ONNX takes the axes of a sum as a value, of a maximum as an attribute. */
const sum: Translation = (builder, node) => {
  const axes = builder.integers(`${node.name}/axes`, Array.from(builder.constant(node, 1).data));
  const keepdims = attributeOf(node, 'keep_dims', 'bool') ? 1 : 0;
  builder.emit(node, 'ReduceSum', [builder.plain(node, 0), axes], { keepdims });
};

const max: Translation = (builder, node) => {
  const axes = Array.from(builder.constant(node, 1).data);
  const keepdims = attributeOf(node, 'keep_dims', 'bool') ? 1 : 0;
  builder.emit(node, 'ReduceMax', [builder.plain(node, 0)], { axes, keepdims });
};

/** Variables, constants and the input are written by the nodes that use them. */
const byItsUsers: Translation = () => undefined;

/** TensorFlow's ops in ONNX's terms (opset 17). */
export const translations: Readonly<Record<string, Translation>> = {
  Placeholder: byItsUsers,
  VarHandleOp: byItsUsers,
  ReadVariableOp: byItsUsers,
  Const: byItsUsers,
  Identity: (builder, node) => builder.alias(node),
  Conv2D: convolution,
  DepthwiseConv2dNative: convolution,
  BiasAdd: biasAdd,
  MatMul: matMul,
  FusedBatchNormV3: batchNorm,
  AddV2: elementwise('Add'),
  Sub: elementwise('Sub'),
  Mul: multiply,
  RealDiv: elementwise('Div'),
  Relu: unary('Relu'),
  Relu6: relu6,
  Sigmoid: unary('Sigmoid'),
  MaxPool: maxPool,
  Mean: mean,
  Erf: unary('Erf'),
  Square: square,
  Rsqrt: rsqrt,
  Exp: unary('Exp'),
  Sum: sum,
  Max: max,
  BatchMatMulV2: batchMatMul,
  Reshape: reshape,
  Transpose: transpose,
  Unpack: unpack,
  Slice: slice,
  ConcatV2: concat,
};
