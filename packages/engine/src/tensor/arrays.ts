import { attribute, elements } from '../capture/graph-def.js';
import { cast, lowered, raised } from './cast.js';
import { floats } from './element-type.js';
import { execute, executeOne } from './execute.js';
import { sumTo } from './reduction.js';
import { differentiable, differentiableOp, stopGradient } from './tape.js';
import { constant, describe, integers, scalar, type Tensor } from './tensor.js';

/** Reorders the axes: output axis i is input axis `order[i]`. */
export function transpose(x: Tensor, order: readonly number[]): Tensor {
  const attributes = { T: attribute.type(x.dtype), Tperm: attribute.type('int32') };
  const output = { shape: order.map((axis) => x.size(axis)), dtype: x.dtype };
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return differentiableOp('Transpose', attributes, [x, integers(order)], output, (gradient) => [
    transpose(gradient, inverse),
    null,
  ]);
}

type Product = (a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean) => Tensor;

/** The gradients of a matrix product, which are products of the same kind. */
function productGradients(product: Product, a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean) {
  return (gradient: Tensor, _: Tensor, needed: readonly boolean[]): (Tensor | null)[] => [
    needed[0]
      ? transposeA
        ? product(b, gradient, transposeB, true)
        : product(gradient, b, false, !transposeB)
      : null,
    needed[1]
      ? transposeB
        ? product(gradient, a, true, transposeA)
        : product(a, gradient, !transposeA, false)
      : null,
  ];
}

/** Matrix product of two matrices, either one transposed first. */
export function matMul(left: Tensor, right: Tensor, transposeA = false, transposeB = false): Tensor {
  const [a, b] = lowered(left, right);
  const [rows, inner] = transposeA ? [a.size(1), a.size(0)] : [a.size(0), a.size(1)];
  const [other, columns] = transposeB ? [b.size(1), b.size(0)] : [b.size(0), b.size(1)];
  if (inner !== other) throw new RangeError(`${describe(a)} and ${describe(b)} do not multiply`);
  const attributes = {
    T: attribute.type(a.dtype),
    transpose_a: attribute.bool(transposeA),
    transpose_b: attribute.bool(transposeB),
  };
  const output = { shape: [rows, columns], dtype: a.dtype };
  const gradients = productGradients(matMul, a, b, transposeA, transposeB);
  return differentiableOp('MatMul', attributes, [a, b], output, gradients);
}

/**
 * Matrix products of the last two axes, one for each place of the leading axes, which are the same in both; either
 * matrix transposed first.
 *
 * @param left  [..., rows, inner]
 * @param right [..., inner, columns]
 */
export function batchMatMul(left: Tensor, right: Tensor, transposeA = false, transposeB = false): Tensor {
  const [a, b] = lowered(left, right);
  const [rows, inner] = transposeA ? [a.size(-1), a.size(-2)] : [a.size(-2), a.size(-1)];
  const [other, columns] = transposeB ? [b.size(-1), b.size(-2)] : [b.size(-2), b.size(-1)];
  const lead = a.shape.slice(0, -2);
  if (inner !== other || lead.join() !== b.shape.slice(0, -2).join())
    throw new RangeError(`${describe(a)} and ${describe(b)} do not multiply`);
  const attributes = {
    T: attribute.type(a.dtype),
    adj_x: attribute.bool(transposeA),
    adj_y: attribute.bool(transposeB),
  };
  const output = { shape: [...lead, rows, columns], dtype: a.dtype };
  const gradients = productGradients(batchMatMul, a, b, transposeA, transposeB);
  return differentiableOp('BatchMatMulV2', attributes, [a, b], output, gradients);
}

/**
 * Adds a vector along the last axis. Its gradient is a plain sum: BiasAddGrad beside a convolution's gradient is fused
 * by oneDNN into another order of summation, and captured execution would no longer round as eager does.
 */
export function biasAdd(x: Tensor, bias: Tensor): Tensor {
  const attributes = { T: attribute.type(x.dtype), data_format: attribute.string('NHWC') };
  // Rounded outside of the tape: the bias's gradient is a sum in float32, and stays one.
  const output = executeOne('BiasAdd', attributes, [x, cast(stopGradient(bias), x.dtype)], x);
  differentiable('BiasAdd', [x, bias], [output], ([gradient], needed) => [
    gradient ?? null,
    gradient && needed[1] ? sumTo(gradient, bias.shape) : null,
  ]);
  return output;
}

/** The parts along the first axis, which goes; [parts, ...rest] gives so many tensors [...rest]. */
export function unstack(x: Tensor): Tensor[] {
  const part = { shape: x.shape.slice(1), dtype: x.dtype };
  const count = { T: attribute.type(x.dtype), axis: attribute.int(0) };
  const parts = execute(
    'Unpack',
    { ...count, num: attribute.int(x.size(0)) },
    [x],
    Array.from({ length: x.size(0) }, () => part),
  );
  differentiable('Unpack', [x], parts, (gradients) => {
    const zeros = () => floats(new Array<number>(elements(part.shape)).fill(0), part.shape, x.dtype);
    const given = gradients.map((gradient) => gradient ?? zeros());
    return [executeOne('Pack', { ...count, N: attribute.int(given.length) }, given, x)];
  });
  return parts;
}

/** Joins along one axis, counted from the first or, below 0, from the end. */
export function concatenate(given: readonly Tensor[], along: number): Tensor {
  // As float32, unless all are of one type.
  const parts = new Set(given.map(({ dtype }) => dtype)).size > 1 ? given.map(raised) : given;
  const first = parts[0];
  if (!first) throw new RangeError('nothing to concatenate');
  // The op wants two parts at least.
  if (parts.length === 1) return first;
  const axis = along < 0 ? along + first.rank : along;
  const attributes = {
    T: attribute.type(first.dtype),
    N: attribute.int(parts.length),
    Tidx: attribute.type('int32'),
  };
  const total = parts.reduce((count, part) => count + part.size(axis), 0);
  const shape = first.shape.map((size, index) => (index === axis ? total : size));
  const output = executeOne('ConcatV2', attributes, [...parts, scalar(axis, 'int32')], {
    shape,
    dtype: first.dtype,
  });
  differentiable('ConcatV2', [...parts], [output], ([gradient], needed) => {
    let from = 0;
    return parts.map((part, index) => {
      const begin = part.shape.map((_, at) => (at === axis ? from : 0));
      from += part.size(axis);
      return gradient && needed[index] ? slice(gradient, begin, part.shape) : null;
    });
  });
  return output;
}

/** A block of `size` from `begin`; a size of -1 is all that is left, so that exports keep the batch free. */
export function slice(x: Tensor, begin: readonly number[], size: readonly number[]): Tensor {
  const attributes = { T: attribute.type(x.dtype), Index: attribute.type('int32') };
  const shape = size.map((length, at) => (length < 0 ? x.size(at) - (begin[at] ?? 0) : length));
  const inputs = [x, integers(begin), integers(size)];
  const output = executeOne('Slice', attributes, inputs, { shape, dtype: x.dtype });
  differentiable('Slice', [x], [output], ([gradient]) => {
    if (!gradient) return [null];
    const around = x.shape.flatMap((length, at) => {
      const before = begin[at] ?? 0;
      return [before, length - before - (shape[at] ?? 0)];
    });
    const type = { T: attribute.type(x.dtype), Tpaddings: attribute.type('int32') };
    const paddings = constant(around, [x.rank, 2], 'int32');
    return [executeOne('Pad', type, [gradient, paddings], x)];
  });
  return output;
}

/** What stands along one axis in the opposite order; no gradient. */
export function reverse(x: Tensor, axis = 0): Tensor {
  const attributes = { T: attribute.type(x.dtype), Tidx: attribute.type('int32') };
  return executeOne('ReverseV2', attributes, [x, integers([axis])], x);
}

/** Rows of `x` by index along the first axis; no gradient. Indices are not read back to be checked. */
export function gather(x: Tensor, indices: Tensor): Tensor {
  const attributes = {
    Tparams: attribute.type(x.dtype),
    Tindices: attribute.type(indices.dtype),
    Taxis: attribute.type('int32'),
    batch_dims: attribute.int(0),
  };
  const output = { shape: [...indices.shape, ...x.shape.slice(1)], dtype: x.dtype };
  return executeOne('GatherV2', attributes, [x, indices, scalar(0, 'int32')], output);
}

/** One-hot rows: `on` at the index, `off` elsewhere, float32. */
export function oneHot(indices: Tensor, depth: number, on = 1, off = 0): Tensor {
  const attributes = {
    T: attribute.type('float32'),
    TI: attribute.type(indices.dtype),
    axis: attribute.int(-1),
  };
  const output = { shape: [...indices.shape, depth], dtype: 'float32' as const };
  return executeOne('OneHot', attributes, [indices, scalar(depth, 'int32'), scalar(on), scalar(off)], output);
}
