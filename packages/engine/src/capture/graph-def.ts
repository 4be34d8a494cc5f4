/** Floating-point types of 16 bits, in which mixed precision computes; they exist only inside a program. */
export type LowType = 'bfloat16' | 'float16';

/** Element types of tensors. `uint8` holds images and never enters arithmetic without a cast. */
export type DataType = 'float32' | 'int32' | 'uint8' | 'bool' | LowType;

export type Shape = readonly number[];

/** Host values of a tensor, row-major; `bool` is one byte each. */
export type TensorData = Float32Array | Int32Array | Uint8Array;

export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DataType;
}

/** A value for a constant node. */
export interface ConstantValue extends TensorSpec {
  readonly data: TensorData;
}

/** TensorFlow's AttrValue, as a tagged union. */
export type AttributeValue =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'int'; readonly value: number }
  | { readonly kind: 'ints'; readonly value: readonly number[] }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'type'; readonly value: DataType }
  | { readonly kind: 'shape'; readonly value: Shape }
  | { readonly kind: 'tensor'; readonly value: ConstantValue };

export type Attributes = Readonly<Record<string, AttributeValue>>;

/**
 * One node of a graph. An input is `node` (its first output), `node:2` (its third) or `^node` (a control edge).
 * `outputs` are the inferred shapes: known while capturing, not part of the encoded GraphDef.
 */
export interface NodeDef {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attributes: Attributes;
  readonly outputs: readonly TensorSpec[];
}

export interface GraphDef {
  readonly nodes: readonly NodeDef[];
}

/** Short spellings for attributes. */
export const attribute = {
  string: (value: string): AttributeValue => ({ kind: 'string', value }),
  int: (value: number): AttributeValue => ({ kind: 'int', value }),
  ints: (value: readonly number[]): AttributeValue => ({ kind: 'ints', value }),
  float: (value: number): AttributeValue => ({ kind: 'float', value }),
  bool: (value: boolean): AttributeValue => ({ kind: 'bool', value }),
  type: (value: DataType): AttributeValue => ({ kind: 'type', value }),
  shape: (value: Shape): AttributeValue => ({ kind: 'shape', value }),
  tensor: (value: ConstantValue): AttributeValue => ({ kind: 'tensor', value }),
};

/** Number of elements of a shape. */
export function elements(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

function valueText(value: AttributeValue): string {
  if (value.kind !== 'tensor') return JSON.stringify(value.value);
  const { dtype, shape, data } = value.value;
  return `${dtype}[${shape.join(',')}](${Array.from(data.subarray(0, 16)).join(',')}${data.length > 16 ? ',…' : ''})`;
}

/** A graph as text, one node a line: for reading, comparing and error messages. */
export function graphText(graph: GraphDef): string {
  return graph.nodes
    .map((node) => {
      const attributes = Object.entries(node.attributes)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, value]) => `${name}=${valueText(value)}`);
      const outputs = node.outputs.map(({ dtype, shape }) => `${dtype}[${shape.join(',')}]`);
      return `${node.name} = ${node.op}(${node.inputs.join(', ')}) {${attributes.join(' ')}} -> ${outputs.join(', ')}`;
    })
    .join('\n');
}
