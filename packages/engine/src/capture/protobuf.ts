import type {
  AttributeValue,
  ConstantValue,
  DataType,
  GraphDef,
  NodeDef,
  Shape,
  TensorSpec,
} from './graph-def.js';

/** Writes protobuf's wire format; TensorFlow's messages are few and fixed, so their field numbers stand in this file. */
class Writer {
  private bytes = new Uint8Array(1024);
  private length = 0;

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  private varint(value: number): void {
    this.reserve(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    while (rest > 127n) {
      this.bytes[this.length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.length++] = Number(rest);
  }

  int(field: number, value: number): this {
    this.varint(field << 3);
    this.varint(value);
    return this;
  }

  float(field: number, value: number): this {
    this.varint((field << 3) | 5);
    this.reserve(4);
    new DataView(this.bytes.buffer).setFloat32(this.length, value, true);
    this.length += 4;
    return this;
  }

  raw(field: number, value: Uint8Array): this {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
    return this;
  }

  string(field: number, value: string): this {
    return this.raw(field, new TextEncoder().encode(value));
  }

  message(field: number, write: (writer: Writer) => void): this {
    const inner = new Writer();
    write(inner);
    return this.raw(field, inner.finish());
  }

  packed(field: number, values: readonly number[]): this {
    const inner = new Writer();
    for (const value of values) inner.varint(value);
    return this.raw(field, inner.finish());
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
}

const typeNumbers: Record<DataType, number> = {
  ...{ float32: 1, int32: 3, uint8: 4, bool: 10 },
  ...{ bfloat16: 14, float16: 19 },
};

// Field numbers: tensorflow/core/framework/{tensor_shape,tensor,attr_value,node_def,graph,versions}.proto
function writeShape(writer: Writer, shape: Shape): void {
  for (const size of shape) writer.message(2, (dimension) => dimension.int(1, size));
}

function writeTensor(writer: Writer, { dtype, shape, data }: ConstantValue): void {
  writer.int(1, typeNumbers[dtype]);
  writer.message(2, (inner) => writeShape(inner, shape));
  writer.raw(4, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeAttribute(writer: Writer, attribute: AttributeValue): void {
  switch (attribute.kind) {
    case 'string':
      writer.string(2, attribute.value);
      break;
    case 'int':
      writer.int(3, attribute.value);
      break;
    case 'ints':
      writer.message(1, (list) => list.packed(3, attribute.value));
      break;
    case 'float':
      writer.float(4, attribute.value);
      break;
    case 'bool':
      writer.int(5, attribute.value ? 1 : 0);
      break;
    case 'type':
      writer.int(6, typeNumbers[attribute.value]);
      break;
    case 'shape':
      writer.message(7, (inner) => writeShape(inner, attribute.value));
      break;
    case 'tensor':
      writer.message(8, (inner) => writeTensor(inner, attribute.value));
      break;
  }
}

function writeNode(writer: Writer, node: NodeDef): void {
  writer.string(1, node.name).string(2, node.op);
  for (const input of node.inputs) writer.string(3, input);
  for (const name of Object.keys(node.attributes).sort()) {
    const attribute = node.attributes[name];
    if (!attribute) continue;
    writer.message(5, (entry) =>
      entry.string(1, name).message(2, (value) => writeAttribute(value, attribute)),
    );
  }
}

/** Any version since EXPLICIT padding and FusedBatchNormV3 will do; TensorFlow 2.x readers accept it. */
const producerVersion = 1087;

function writeGraph(writer: Writer, graph: GraphDef): void {
  for (const node of graph.nodes) writer.message(1, (inner) => writeNode(inner, node));
  writer.message(4, (versions) => versions.int(1, producerVersion));
}

/** A serialized tensorflow.GraphDef. Equal graphs give equal bytes. */
export function encodeGraph(graph: GraphDef): Uint8Array {
  const writer = new Writer();
  writeGraph(writer, graph);
  return writer.finish();
}

/** A tensor of a signature: the first output of a node; -1 in its shape is a free axis. */
export interface SignatureTensor extends TensorSpec {
  readonly node: string;
}

/** What a SavedModel offers to other programs, by the names that they use. */
export interface Signature {
  readonly inputs: Readonly<Record<string, SignatureTensor>>;
  readonly outputs: Readonly<Record<string, SignatureTensor>>;
}

/** As TensorFlow Serving and `tf.saved_model` expect it of a function from tensors to tensors. */
const predictMethod = 'tensorflow/serving/predict';

function writeTensorInfos(writer: Writer, field: number, tensors: Signature['inputs']): void {
  for (const [name, { node, dtype, shape }] of Object.entries(tensors)) {
    writer.message(field, (entry) =>
      entry.string(1, name).message(2, (info) =>
        info
          .string(1, `${node}:0`)
          .int(2, typeNumbers[dtype])
          .message(3, (inner) => writeShape(inner, shape)),
      ),
    );
  }
}

// Field numbers: tensorflow/core/protobuf/{saved_model,meta_graph}.proto
/**
 * A serialized tensorflow.SavedModel with one meta graph tagged `serve`; its variables start uninitialised.
 *
 * @param signatures by name; none where only the engine loads it
 */
export function encodeSavedModel(
  graph: GraphDef,
  signatures: Readonly<Record<string, Signature>> = {},
): Uint8Array {
  return new Writer()
    .int(1, 1)
    .message(2, (meta) => {
      meta.message(1, (info) => info.string(4, 'serve'));
      meta.message(2, (inner) => writeGraph(inner, graph));
      for (const [name, { inputs, outputs }] of Object.entries(signatures)) {
        meta.message(5, (entry) =>
          entry.string(1, name).message(2, (signature) => {
            writeTensorInfos(signature, 1, inputs);
            writeTensorInfos(signature, 2, outputs);
            signature.string(3, predictMethod);
          }),
        );
      }
    })
    .finish();
}
