import type { DataType, Shape, TensorData, TensorSpec } from '../capture/graph-def.js';

/**
 * Where a tensor's values are: `device` a native tensor, `node` the output of a node being captured, `constant`
 * values that the program's text itself fixes (an axis list, a filter size, a scalar coefficient).
 */
export type Source =
  | { readonly kind: 'device'; readonly id: number }
  | { readonly kind: 'node'; readonly output: string }
  | { readonly kind: 'constant'; readonly data: TensorData };

/** A value of the program, immutable. Identity matters to the tape: gradients are asked for by tensor, not by value. */
export class Tensor implements TensorSpec {
  constructor(
    readonly shape: Shape,
    readonly dtype: DataType,
    readonly source: Source,
  ) {}

  get rank(): number {
    return this.shape.length;
  }

  /** Size of one dimension; negative counts from the end. */
  size(axis: number): number {
    const size = this.shape[axis < 0 ? this.rank + axis : axis];
    if (size === undefined) throw new RangeError(`a tensor [${this.shape.join(', ')}] has no axis ${axis}`);
    return size;
  }
}

function typed(values: readonly number[], dtype: DataType): TensorData {
  if (dtype === 'float32') return Float32Array.from(values);
  return dtype === 'int32' ? Int32Array.from(values) : Uint8Array.from(values);
}

/** A scalar that is part of the program: a coefficient, an epsilon. What changes between steps is an input instead. */
export function scalar(value: number, dtype: DataType = 'float32'): Tensor {
  return new Tensor([], dtype, { kind: 'constant', data: typed([value], dtype) });
}

/** A declared constant: values that the program's text fixes. Data never belongs here. */
export function constant(values: readonly number[], shape: Shape, dtype: DataType): Tensor {
  return new Tensor(shape, dtype, { kind: 'constant', data: typed(values, dtype) });
}

/** A declared int32 vector: axes, shapes, permutations. */
export function integers(values: readonly number[]): Tensor {
  return constant(values, [values.length], 'int32');
}

export function describe(spec: TensorSpec): string {
  return `${spec.dtype}[${spec.shape.join(', ')}]`;
}
