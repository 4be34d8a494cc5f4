import type {
  AttributeValue,
  ConstantValue,
  DataType,
  NodeDef,
  Shape,
  TensorSpec,
} from '../capture/index.js';
import { factValues, inputName, outputName, type ExportFacts } from './interface.js';
import type { FrozenGraph } from './frozen.js';
import { tarOf } from './tar.js';

const typeNames: Record<DataType, string> = {
  float32: 'DT_FLOAT',
  int32: 'DT_INT32',
  uint8: 'DT_UINT8',
  bool: 'DT_BOOL',
  bfloat16: 'DT_BFLOAT16',
  float16: 'DT_HALF',
};

/** Bytes of a weight file: browsers keep files of this size in their cache, and fetch several at once. */
const shardBytes = 4 * 1024 * 1024;

const dimensions = (shape: Shape) => ({ dim: shape.map((size) => ({ size: String(size) })) });

/** An attribute as protobuf's JSON has it: bytes in base64, 64-bit integers as text. */
function attributeJson(value: AttributeValue): Record<string, unknown> {
  switch (value.kind) {
    case 'string':
      return { s: Buffer.from(value.value).toString('base64') };
    case 'int':
      return { i: String(value.value) };
    case 'ints':
      return { list: { i: value.value.map(String) } };
    case 'float':
      return { f: value.value };
    case 'bool':
      return { b: value.value };
    case 'type':
      return { type: typeNames[value.value] };
    case 'shape':
      return { shape: dimensions(value.value) };
    case 'tensor': // The values themselves stand in the weight files.
      return { tensor: { dtype: typeNames[value.value.dtype], tensorShape: dimensions(value.value.shape) } };
  }
}

function nodeJson({ name, op, inputs, attributes }: NodeDef): Record<string, unknown> {
  const attr = Object.entries(attributes).map(([key, value]) => [key, attributeJson(value)] as const);
  return { name, op, ...(inputs.length > 0 && { input: inputs }), attr: Object.fromEntries(attr) };
}

const tensorInfo = (node: string, { shape, dtype }: TensorSpec) => ({
  name: `${node}:0`,
  dtype: typeNames[dtype],
  tensorShape: dimensions(shape),
});

function constantOf(node: NodeDef): { name: string; value: ConstantValue }[] {
  const value = node.attributes['value'];
  return node.op === 'Const' && value?.kind === 'tensor' ? [{ name: node.name, value: value.value }] : [];
}

/**
 * A model as TensorFlow.js' graph model: a tar of `model.json` and its weight files. It takes `pixels`, float32 [batch,
 * size, size, channels] from 0 to 255, and gives `logits`; what the model is stands under `userDefinedMetadata`.
 */
export function exportTfjs({ graph: { nodes }, input, output }: FrozenGraph, facts: ExportFacts): Uint8Array {
  const constants = nodes.flatMap(constantOf);
  const weights = Buffer.concat(
    constants.map(({ value: { data } }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );
  const count = Math.max(1, Math.ceil(weights.length / shardBytes));
  const shards = Array.from({ length: count }, (_, index): [string, Uint8Array] => [
    `group1-shard${index + 1}of${count}.bin`,
    weights.subarray(index * shardBytes, (index + 1) * shardBytes),
  ]);
  const model = {
    format: 'graph-model',
    generatedBy: 'ferment',
    convertedBy: null,
    signature: {
      inputs: { [inputName]: tensorInfo(inputName, input) },
      outputs: { [outputName]: tensorInfo(outputName, output) },
    },
    userDefinedMetadata: factValues(facts, 'NHWC'),
    modelTopology: { node: nodes.map(nodeJson), versions: { producer: 1087 } },
    weightsManifest: [
      {
        paths: shards.map(([path]) => path),
        weights: constants.map(({ name, value: { shape, dtype } }) => ({ name, shape, dtype })),
      },
    ],
  };
  return tarOf({
    'model.json': new TextEncoder().encode(JSON.stringify(model)),
    ...Object.fromEntries(shards),
  });
}
