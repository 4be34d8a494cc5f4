import { attribute, elements, type Shape } from '../capture/graph-def.js';
import { raised } from './cast.js';
import { executeOne } from './execute.js';
import { differentiableOp } from './tape.js';
import { integers, scalar, type Tensor } from './tensor.js';

/** The same elements in another shape; one size may be -1, and stays free in the graph: the batch, in exports. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = elements(shape.filter((size) => size !== -1));
  const target = shape.map((size) => (size === -1 ? elements(x.shape) / known : size));
  if (elements(target) !== elements(x.shape))
    throw new RangeError(`[${x.shape.join(', ')}] cannot be reshaped to [${shape.join(', ')}]`);
  const attributes = { T: attribute.type(x.dtype), Tshape: attribute.type('int32') };
  const output = { shape: target, dtype: x.dtype };
  return differentiableOp('Reshape', attributes, [x, integers(shape)], output, (gradient) => [
    reshape(gradient, x.shape),
    null,
  ]);
}

/** Repeats along dimensions of size 1, and along new leading ones. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (x.shape.join() === shape.join()) return x;
  const attributes = { T: attribute.type(x.dtype), Tidx: attribute.type('int32') };
  const output = { shape, dtype: x.dtype };
  return differentiableOp('BroadcastTo', attributes, [x, integers(shape)], output, (gradient) => [
    sumTo(gradient, x.shape),
    null,
  ]);
}

/** Undoes a broadcast: sums over the dimensions along which `shape` was repeated. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (x.shape.join() === shape.join()) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((size, axis) =>
    axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : [],
  );
  return reshape(sum(x, axes), shape);
}

function kept(x: Tensor, axes: readonly number[]): number[] {
  return x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
}

/** Sums are made in float32: a long one of 16 bits would lose most of what it adds. */
function reduce(
  op: string,
  given: Tensor,
  axes: readonly number[] | null,
  keepDimensions: boolean,
  backward: (gradient: Tensor, count: number) => Tensor,
): Tensor {
  const x = raised(given);
  const all = (axes ?? x.shape.map((_, axis) => axis)).map((axis) => (axis < 0 ? x.rank + axis : axis));
  const withOnes = kept(x, all);
  const shape = keepDimensions ? withOnes : x.shape.filter((_, axis) => !all.includes(axis));
  const attributes = {
    T: attribute.type(x.dtype),
    Tidx: attribute.type('int32'),
    keep_dims: attribute.bool(keepDimensions),
  };
  const count = elements(x.shape) / elements(withOnes);
  return differentiableOp(op, attributes, [x, integers(all)], { shape, dtype: x.dtype }, (gradient) => [
    broadcastTo(reshape(backward(gradient, count), withOnes), x.shape),
    null,
  ]);
}

/** Sum over `axes` (negative from the end; null is all of them). */
export function sum(x: Tensor, axes: readonly number[] | null = null, keepDimensions = false): Tensor {
  return reduce('Sum', x, axes, keepDimensions, (gradient) => gradient);
}

/** Mean over `axes` (negative from the end; null is all of them). */
export function mean(x: Tensor, axes: readonly number[] | null = null, keepDimensions = false): Tensor {
  return reduce('Mean', x, axes, keepDimensions, (gradient, count) =>
    executeOne('Mul', { T: attribute.type(gradient.dtype) }, [gradient, scalar(1 / count)], gradient),
  );
}

/** Largest over `axes` (negative from the end), which stay with size 1; no gradient. */
export function max(x: Tensor, axes: readonly number[]): Tensor {
  const all = axes.map((axis) => (axis < 0 ? x.rank + axis : axis));
  const attributes = {
    T: attribute.type(x.dtype),
    Tidx: attribute.type('int32'),
    keep_dims: attribute.bool(true),
  };
  return executeOne('Max', attributes, [x, integers(all)], { shape: kept(x, all), dtype: x.dtype });
}

/** Index of the largest element along the last axis, int32; no gradient. */
export function argMax(x: Tensor): Tensor {
  const attributes = {
    T: attribute.type(x.dtype),
    Tidx: attribute.type('int32'),
    output_type: attribute.type('int32'),
  };
  const output = { shape: x.shape.slice(0, -1), dtype: 'int32' as const };
  return executeOne('ArgMax', attributes, [x, scalar(x.rank - 1, 'int32')], output);
}
