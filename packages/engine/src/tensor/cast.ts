import { attribute, type DataType } from '../capture/graph-def.js';
import { lowType } from './autocast.js';
import { converted, isFloat, isLow } from './element-type.js';
import { differentiableOp } from './tape.js';
import type { Tensor } from './tensor.js';

/** Another element type; gradients flow between floating-point types, to and from others there are none. */
export function cast(x: Tensor, dtype: DataType): Tensor {
  if (x.dtype === dtype || !isFloat(x.dtype) || !isFloat(dtype)) return converted(x, dtype);
  const attributes = {
    SrcT: attribute.type(x.dtype),
    DstT: attribute.type(dtype),
    Truncate: attribute.bool(false),
  };
  return differentiableOp('Cast', attributes, [x], { shape: x.shape, dtype }, (gradient) => [
    converted(gradient, x.dtype),
  ]);
}

/** Values of 16 bits as float32; others as they are. */
export function raised(x: Tensor): Tensor {
  return isLow(x.dtype) ? cast(x, 'float32') : x;
}

/** The factors of a product in the type in which products are now computed (see autocast). */
export function lowered(a: Tensor, b: Tensor): [Tensor, Tensor] {
  const type = lowType();
  if (type !== null) return [cast(a, type), cast(b, type)];
  return a.dtype === b.dtype ? [a, b] : promoted(a, b);
}

/** Both in the wider type of the two: values of 16 bits beside float32 become float32. */
export function promoted(a: Tensor, b: Tensor): [Tensor, Tensor] {
  return isFloat(a.dtype) && isFloat(b.dtype) && a.dtype !== b.dtype ? [raised(a), raised(b)] : [a, b];
}
