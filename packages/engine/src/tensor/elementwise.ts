import { attribute, type Shape } from '../capture/graph-def.js';
import { promoted, raised } from './cast.js';
import { number } from './element-type.js';
import { executeOne } from './execute.js';
import { sumTo } from './reduction.js';
import { differentiable, differentiableOp, stopGradient } from './tape.js';
import { describe, type Tensor } from './tensor.js';

/** A tensor, or a number of the program's text. */
export type Operand = Tensor | number;

/** The shape of an elementwise result by NumPy's rules. */
export function broadcastShape(a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, index) => {
    const left = a[index - rank + a.length] ?? 1;
    const right = b[index - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1)
      throw new RangeError(`shapes [${a.join(', ')}] and [${b.join(', ')}] do not broadcast`);
    return left === 1 ? right : left;
  });
}

function operands(a: Operand, b: Operand): [Tensor, Tensor] {
  const dtype = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : 'float32';
  const given = (operand: Operand) => (typeof operand === 'number' ? number(operand, dtype) : operand);
  const [left, right] = promoted(given(a), given(b));
  if (left.dtype !== right.dtype)
    throw new TypeError(`${describe(left)} and ${describe(right)} differ in type`);
  return [left, right];
}

type BinaryGradient = (
  gradient: Tensor,
  a: Tensor,
  b: Tensor,
  needed: readonly boolean[],
) => (Tensor | null)[];

function binary(op: string, first: Operand, second: Operand, backward: BinaryGradient): Tensor {
  const [a, b] = operands(first, second);
  const output = { shape: broadcastShape(a.shape, b.shape), dtype: a.dtype };
  return differentiableOp(op, { T: attribute.type(a.dtype) }, [a, b], output, (gradient, _, needed) =>
    backward(gradient, a, b, needed).map((item, index) => item && sumTo(item, (index === 0 ? a : b).shape)),
  );
}

export function add(a: Operand, b: Operand): Tensor {
  return binary('AddV2', a, b, (gradient) => [gradient, gradient]);
}

export function subtract(a: Operand, b: Operand): Tensor {
  return binary('Sub', a, b, (gradient, _a, _b, needed) => [gradient, needed[1] ? negate(gradient) : null]);
}

export function multiply(a: Operand, b: Operand): Tensor {
  return binary('Mul', a, b, (gradient, left, right, needed) => [
    needed[0] ? multiply(gradient, right) : null,
    needed[1] ? multiply(gradient, left) : null,
  ]);
}

export function divide(a: Operand, b: Operand): Tensor {
  return binary('RealDiv', a, b, (gradient, left, right, needed) => [
    needed[0] ? divide(gradient, right) : null,
    needed[1] ? negate(divide(multiply(gradient, left), square(right))) : null,
  ]);
}

type UnaryGradient = (gradient: Tensor, input: Tensor, output: Tensor) => Tensor;

function unary(op: string, x: Tensor, backward: UnaryGradient): Tensor {
  return differentiableOp(op, { T: attribute.type(x.dtype) }, [x], x, (gradient, output) => [
    backward(gradient, x, output),
  ]);
}

export function negate(x: Tensor): Tensor {
  return unary('Neg', x, (gradient) => negate(gradient));
}

export function exp(x: Tensor): Tensor {
  return unary('Exp', raised(x), (gradient, _, output) => multiply(gradient, output));
}

export function log(x: Tensor): Tensor {
  return unary('Log', raised(x), (gradient, input) => divide(gradient, input));
}

export function square(x: Tensor): Tensor {
  return unary('Square', raised(x), (gradient, input) => multiply(multiply(gradient, input), 2));
}

export function sqrt(x: Tensor): Tensor {
  return unary('Sqrt', raised(x), (gradient, _, output) => divide(gradient, multiply(output, 2)));
}

export function rsqrt(x: Tensor): Tensor {
  return unary('Rsqrt', raised(x), (gradient, _, output) =>
    multiply(multiply(gradient, multiply(output, square(output))), -0.5),
  );
}

export function sin(x: Tensor): Tensor {
  return unary('Sin', raised(x), (gradient, input) => multiply(gradient, cos(input)));
}

export function cos(x: Tensor): Tensor {
  return unary('Cos', raised(x), (gradient, input) => negate(multiply(gradient, sin(input))));
}

/** 1 / (1 + exp(-x)). */
export function sigmoid(x: Tensor): Tensor {
  return unary('Sigmoid', x, (gradient, _, output) =>
    executeOne('SigmoidGrad', { T: attribute.type(x.dtype) }, [output, gradient], x),
  );
}

/** max(x, 0). */
export function relu(x: Tensor): Tensor {
  return unary('Relu', x, (gradient, _, output) =>
    executeOne('ReluGrad', { T: attribute.type(x.dtype) }, [gradient, output], x),
  );
}

/** min(max(x, 0), 6). */
export function relu6(x: Tensor): Tensor {
  return unary('Relu6', x, (gradient, _, output) =>
    executeOne('Relu6Grad', { T: attribute.type(x.dtype) }, [gradient, output], x),
  );
}

/** relu6(x + 3), and a sixth of it. */
function hardShare(x: Tensor): { clipped: Tensor; share: Tensor } {
  const type = { T: attribute.type(x.dtype) };
  const clipped = executeOne('Relu6', type, [executeOne('AddV2', type, [x, number(3, x.dtype)], x)], x);
  return { clipped, share: executeOne('Mul', type, [clipped, number(1 / 6, x.dtype)], x) };
}

/** Values of `x` where the clipped ones lie between 0 and 6, 0 elsewhere. */
function withinHard(x: Tensor, clipped: Tensor): Tensor {
  return executeOne('Relu6Grad', { T: attribute.type(x.dtype) }, [x, clipped], x);
}

/**
 * relu6(x + 3) / 6, PyTorch's Hardsigmoid (Howard et al., ICCV 2019). The gradient scales after Relu6Grad: TensorFlow's
 * graph optimizer regroups (a b) / 6 but not this, so that captured and eager execution round alike.
 */
export function hardSigmoid(x: Tensor): Tensor {
  const { clipped, share } = hardShare(x);
  differentiable('HardSigmoid', [x], [share], ([gradient]) => [
    gradient ? multiply(withinHard(gradient, clipped), 1 / 6) : null,
  ]);
  return share;
}

/**
 * x hardSigmoid(x), PyTorch's Hardswish (Howard et al., ICCV 2019). The gradient is hardSigmoid(x) + x / 6 between -3 and
 * 3, written out: the tape's own would pass over the map once more.
 */
export function hardSwish(x: Tensor): Tensor {
  const value = stopGradient(x);
  const { clipped, share } = hardShare(value);
  const output = multiply(value, share);
  differentiable('HardSwish', [x], [output], ([gradient]) => [
    gradient ? multiply(gradient, add(share, multiply(withinHard(value, clipped), 1 / 6))) : null,
  ]);
  return output;
}

/** x sigmoid(x), PyTorch's SiLU (Ramachandran et al., 2017). The gradient is s + x s (1 - s). */
export function silu(x: Tensor): Tensor {
  const value = stopGradient(x);
  const share = executeOne('Sigmoid', { T: attribute.type(x.dtype) }, [value], x);
  const output = multiply(value, share);
  differentiable('Silu', [x], [output], ([gradient]) => [
    gradient ? multiply(gradient, add(share, multiply(output, subtract(1, share)))) : null,
  ]);
  return output;
}

/**
 * x Phi(x) with the normal distribution function itself, not its tanh approximation (Hendrycks & Gimpel, 2016;
 * PyTorch's GELU). The gradient is Phi(x) + x phi(x); phi's factor 1 / sqrt(2 pi) goes into the exponent.
 */
export function gelu(x: Tensor): Tensor {
  // In float32 whatever x is: 1 + erf of a negative number leaves few digits.
  const value = raised(stopGradient(x));
  const erf = executeOne('Erf', { T: attribute.type(value.dtype) }, [multiply(value, Math.SQRT1_2)], value);
  const distribution = multiply(add(erf, 1), 0.5);
  const output = multiply(value, distribution);
  differentiable('Gelu', [x], [output], ([gradient]) => {
    if (!gradient) return [null];
    const density = exp(subtract(multiply(square(value), -0.5), Math.log(2 * Math.PI) / 2));
    return [multiply(gradient, add(distribution, multiply(value, density)))];
  });
  return output;
}

function compare(op: string, first: Operand, second: Operand, extra = {}): Tensor {
  const [a, b] = operands(first, second);
  const output = { shape: broadcastShape(a.shape, b.shape), dtype: 'bool' as const };
  return executeOne(op, { T: attribute.type(a.dtype), ...extra }, [a, b], output);
}

/** Elementwise a < b, as bool. */
export function less(a: Operand, b: Operand): Tensor {
  return compare('Less', a, b);
}

/** Elementwise a = b, as bool. */
export function equal(a: Operand, b: Operand): Tensor {
  return compare('Equal', a, b, { incompatible_shape_error: attribute.bool(true) });
}
