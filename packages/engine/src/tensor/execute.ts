import {
  attribute,
  elements,
  type AttributeValue,
  type Attributes,
  type DataType,
  type Shape,
  type TensorData,
  type TensorSpec,
} from '../capture/graph-def.js';
import {
  nativeAttributeKinds,
  nativeBinding,
  nativeTypes,
  type NativeAttribute,
  type NativeTensor,
} from '../native/index.js';
import { required } from '../required.js';
import { describe, Tensor } from './tensor.js';

/** An inferred output; `internal` ones are kernels' private notes to their gradients, whose shapes vary by kernel. */
export interface OutputSpec extends TensorSpec {
  readonly internal?: true;
}

/** Receives the ops of a program while it is captured and hands back symbolic outputs. */
export interface Recorder {
  record(
    op: string,
    attributes: Attributes,
    inputs: readonly Tensor[],
    outputs: readonly TensorSpec[],
  ): Tensor[];
}

let recorder: Recorder | null = null;
let arena: Set<number> | null = null;

/** Runs `body` with every op recorded instead of executed. */
export function recording<T>(target: Recorder, body: () => T): T {
  const outer = recorder;
  recorder = target;
  try {
    return body();
  } finally {
    recorder = outer;
  }
}

function collect(value: unknown, ids: Set<number>): void {
  if (value instanceof Tensor) {
    if (value.source.kind === 'device') ids.add(value.source.id);
  } else if (Array.isArray(value)) {
    for (const item of value) collect(item, ids);
  } else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const item of Object.values(value)) collect(item, ids);
  }
}

/** Frees every native tensor made inside `body`, except those in what it returns. */
export function scope<T>(body: () => T): T {
  const outer = arena;
  const inner = new Set<number>();
  arena = inner;
  const kept = new Set<number>();
  try {
    const result = body();
    collect(result, kept);
    return result;
  } finally {
    arena = outer;
    for (const id of inner) {
      if (!kept.has(id)) nativeBinding().deleteTensor(id);
      else outer?.add(id);
    }
  }
}

/** Frees the native tensors in `value` (tensors, arrays and records of them), except those that `kept` holds too. */
export function dispose(value: unknown, kept?: unknown): void {
  const ids = new Set<number>();
  const spared = new Set<number>();
  collect(value, ids);
  collect(kept, spared);
  for (const id of ids) {
    if (spared.has(id)) continue;
    arena?.delete(id);
    nativeBinding().deleteTensor(id);
  }
}

const typeNames = new Map<number, DataType>([
  [nativeTypes.float32, 'float32'],
  [nativeTypes.int32, 'int32'],
  [nativeTypes.uint8, 'uint8'],
  [nativeTypes.bool, 'bool'],
  [nativeTypes.bfloat16, 'bfloat16'],
  [nativeTypes.float16, 'float16'],
]);

function adopt(native: NativeTensor): Tensor {
  const dtype = typeNames.get(native.dtype);
  if (!dtype) {
    nativeBinding().deleteTensor(native.id);
    throw new TypeError(`TensorFlow returned a tensor of unsupported type ${native.dtype}`);
  }
  arena?.add(native.id);
  return new Tensor(Array.from(native.shape), dtype, { kind: 'device', id: native.id });
}

/** A native tensor with these values. While capturing, only declared inputs, state and constants may be used. */
export function tensor(data: TensorData, shape: Shape, dtype: DataType): Tensor {
  if (data.length !== elements(shape))
    throw new RangeError(`${data.length} values do not fill ${describe({ shape, dtype })}`);
  // The library may keep the buffer; a copy of our own makes later changes by the caller harmless.
  const id = nativeBinding().createTensor([...shape], nativeTypes[dtype], data.slice());
  arena?.add(id);
  return new Tensor([...shape], dtype, { kind: 'device', id });
}

/**
 * The values of a tensor on the host.
 *
 * @throws Error while capturing: a program whose text depended on values would be frozen at them
 */
export function read(value: Tensor): TensorData {
  if (value.source.kind === 'constant') return value.source.data.slice();
  if (recorder || value.source.kind === 'node')
    throw new Error(
      `reading the values of ${describe(value)} while capturing: return it as an output of the fetch, ` +
        'or make the decision with ops inside the graph',
    );
  const readable = readableAs[value.dtype];
  const attributes: Attributes = {
    SrcT: attribute.type(value.dtype),
    DstT: attribute.type(readable),
    Truncate: attribute.bool(false),
  };
  const cast =
    readable === value.dtype ? null : execute('Cast', attributes, [value], [{ ...value, dtype: readable }]);
  const source = cast?.[0]?.source ?? value.source;
  if (source.kind !== 'device') throw new Error('unreachable: an eager op returns a device tensor');
  const data = nativeBinding().tensorDataSync(source.id);
  if (cast) dispose(cast);
  if (readable === 'float32') return new Float32Array(data);
  return value.dtype === 'int32' ? new Int32Array(data) : new Uint8Array(data);
}

/** The type as which the addon can read values of each type. */
const readableAs: Record<DataType, DataType> = {
  ...{ float32: 'float32', int32: 'int32', bool: 'bool' },
  ...{ uint8: 'int32', bfloat16: 'float32', float16: 'float32' },
};

function nativeAttribute(name: string, given: AttributeValue): NativeAttribute {
  switch (given.kind) {
    case 'ints':
      return { name, type: nativeAttributeKinds.int, value: given.value };
    case 'type':
      return { name, type: nativeAttributeKinds.type, value: nativeTypes[given.value] };
    case 'tensor':
      throw new TypeError(`attribute ${name}: tensors are not attributes of eager ops`);
    case 'shape':
      return { name, type: nativeAttributeKinds.shape, value: given.value };
    default:
      return { name, type: nativeAttributeKinds[given.kind], value: given.value };
  }
}

function executeEagerly(
  op: string,
  attributes: Attributes,
  inputs: readonly Tensor[],
  count: number,
): Tensor[] {
  const binding = nativeBinding();
  const temporary: number[] = [];
  const ids = inputs.map(({ source, shape, dtype }) => {
    if (source.kind === 'device') return source.id;
    if (source.kind === 'node')
      throw new Error(`${op}: ${source.output} belongs to a captured graph and has no values`);
    const id = binding.createTensor([...shape], nativeTypes[dtype], source.data);
    temporary.push(id);
    return id;
  });
  const native = Object.entries(attributes).map(([name, value]) => nativeAttribute(name, value));
  try {
    return binding.executeOp(op, native, ids, count).map(adopt);
  } catch (error) {
    const what = inputs.map(describe).join(', ');
    throw new Error(`${op}(${what}): ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  } finally {
    for (const id of temporary) binding.deleteTensor(id);
  }
}

/**
 * One TensorFlow op: executed at once, or recorded while capturing. Gradients are the caller's business (tape.ts).
 *
 * @param outputs inferred shapes and types; checked against what TensorFlow returns in eager execution
 */
export function execute(
  op: string,
  attributes: Attributes,
  inputs: readonly Tensor[],
  outputs: readonly OutputSpec[],
): Tensor[] {
  if (recorder) return recorder.record(op, attributes, inputs, outputs);
  const results = executeEagerly(op, attributes, inputs, outputs.length);
  results.forEach((result, index) => {
    const expected = required(outputs[index], `${op}: the shape of output ${index}`);
    if (!expected.internal && describe(result) !== describe(expected))
      throw new Error(
        `${op}: inferred ${describe(expected)} for output ${index}, TensorFlow made ${describe(result)}`,
      );
  });
  return results;
}

/** An op with one output. */
export function executeOne(
  op: string,
  attributes: Attributes,
  inputs: readonly Tensor[],
  output: TensorSpec,
): Tensor {
  return required(execute(op, attributes, inputs, [output])[0], `the output of ${op}`);
}
