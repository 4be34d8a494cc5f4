import { attribute, type DataType, type LowType } from '../capture/graph-def.js';
import { executeOne } from './execute.js';
import { constant, type Tensor } from './tensor.js';

/** Whether these are floating-point numbers of 16 bits. */
export function isLow(dtype: DataType): dtype is LowType {
  return dtype === 'bfloat16' || dtype === 'float16';
}

/** Whether gradients may flow through values of this type. */
export function isFloat(dtype: DataType): boolean {
  return dtype === 'float32' || isLow(dtype);
}

/** The same values as another element type; no gradient. */
export function converted(x: Tensor, dtype: DataType): Tensor {
  if (x.dtype === dtype) return x;
  const attributes = {
    SrcT: attribute.type(x.dtype),
    DstT: attribute.type(dtype),
    Truncate: attribute.bool(false),
  };
  return executeOne('Cast', attributes, [x], { shape: x.shape, dtype });
}

/** A declared constant of any floating-point type: values are written as float32, and rounded by TensorFlow itself. */
export function floats(values: readonly number[], shape: readonly number[], dtype: DataType): Tensor {
  return isLow(dtype) ? converted(constant(values, shape, 'float32'), dtype) : constant(values, shape, dtype);
}

/** A number of the program's text as a scalar beside values of this type. */
export function number(value: number, dtype: DataType): Tensor {
  return floats([value], [], dtype);
}
