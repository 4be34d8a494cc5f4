import { attribute } from '../capture/graph-def.js';
import { concatenate } from './arrays.js';
import { executeOne } from './execute.js';
import { reshape } from './reduction.js';
import { integers, scalar, type Tensor } from './tensor.js';

/** -1, 0 or 1, elementwise; no gradient. */
export function sign(x: Tensor): Tensor {
  return executeOne('Sign', { T: attribute.type(x.dtype) }, [x], x);
}

/** |x|, elementwise; no gradient. */
export function absolute(x: Tensor): Tensor {
  return executeOne('Abs', { T: attribute.type(x.dtype) }, [x], x);
}

/** The larger of the two, elementwise; no gradient. */
export function maximum(x: Tensor, other: Tensor | number): Tensor {
  const second = typeof other === 'number' ? scalar(other, x.dtype) : other;
  return executeOne('Maximum', { T: attribute.type(x.dtype) }, [x, second], x);
}

/** The values of `x` held between `low` and `high` (numbers, or tensors of the shape of `x`); no gradient. */
export function clip(x: Tensor, low: Tensor | number, high: Tensor | number): Tensor {
  const raised = maximum(x, low);
  const second = typeof high === 'number' ? scalar(high, x.dtype) : high;
  return executeOne('Minimum', { T: attribute.type(x.dtype) }, [raised, second], x);
}

function extreme(op: 'Max' | 'Min', x: Tensor): Tensor {
  const attributes = {
    T: attribute.type(x.dtype),
    Tidx: attribute.type('int32'),
    keep_dims: attribute.bool(false),
  };
  const axes = integers(x.shape.map((_, axis) => axis));
  return executeOne(op, attributes, [x, axes], { shape: [], dtype: x.dtype });
}

/** The largest value of all, a scalar; no gradient. */
export function largest(x: Tensor): Tensor {
  return extreme('Max', x);
}

/** The smallest value of all, a scalar; no gradient. */
export function smallest(x: Tensor): Tensor {
  return extreme('Min', x);
}

/** `yes` where the condition, a bool scalar, holds, and `no` where it does not, whatever the other is; no gradient. */
export function select(condition: Tensor, yes: Tensor, no: Tensor): Tensor {
  return executeOne('SelectV2', { T: attribute.type(yes.dtype) }, [condition, yes, no], yes);
}

/** Zeros of this shape, also where `x` is not finite. */
export function zerosLike(x: Tensor): Tensor {
  return executeOne('ZerosLike', { T: attribute.type(x.dtype) }, [x], x);
}

function all(x: Tensor): Tensor {
  const attributes = { Tidx: attribute.type('int32'), keep_dims: attribute.bool(false) };
  const axes = integers(x.shape.map((_, axis) => axis));
  return executeOne('All', attributes, [x, axes], { shape: [], dtype: 'bool' });
}

/** Whether no value of any of these is infinite or no number, a bool scalar. */
export function allFinite(values: readonly Tensor[]): Tensor {
  const each = values.map((x) =>
    all(executeOne('IsFinite', { T: attribute.type(x.dtype) }, [x], { shape: x.shape, dtype: 'bool' })),
  );
  return all(
    concatenate(
      each.map((one) => reshape(one, [1])),
      0,
    ),
  );
}
