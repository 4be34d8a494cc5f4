import protobuf from 'protobufjs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execute, inFolder } from './files.js';

export interface OnnxAnswer {
  inputs: { name: string; type: string; shape: (number | string)[] }[];
  outputs: { name: string; type: string; shape: (number | string)[] }[];
  shape: number[];
  logits: number[];
}

const runner = fileURLToPath(new URL('./run-onnx.mjs', import.meta.url));

/** What onnxruntime says of a model and answers for pixels [images, channels, size, size]. */
export function runOnnx(onnx: Uint8Array, pixels: Uint8Array, shape: readonly number[]): Promise<OnnxAnswer> {
  return inFolder(async (folder) => {
    const [model, input] = [join(folder, 'model.onnx'), join(folder, 'pixels')];
    await writeFile(model, onnx);
    await writeFile(input, pixels);
    const { stdout } = await execute(process.execPath, [runner, model, input, JSON.stringify(shape)], {
      maxBuffer: 1 << 24,
    });
    return JSON.parse(stdout) as OnnxAnswer;
  });
}

/** Largest difference over the largest expected value. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const largest = (values: number[]): number => Math.max(...values.map(Math.abs));
  const differences = Array.from(expected, (value, i) => value - (actual[i] ?? NaN));
  return largest(differences) / largest(Array.from(expected));
}

// Field numbers of onnx/onnx.proto.
const { root } = protobuf.parse(`syntax = "proto2";
  message Entry { optional string key = 1; optional string value = 2; }
  message Tensor { repeated int64 dims = 1; optional int32 type = 2; optional string name = 8; }
  message Node { repeated string input = 1; repeated string output = 2; optional string op = 4; }
  message Graph { repeated Node node = 1; repeated Tensor initializer = 5; }
  message Model { optional int64 ir_version = 1; optional Graph graph = 7; repeated Entry metadata = 14; }`);

interface DecodedModel {
  graph: {
    node: { op: string; input: string[]; output: string[] }[];
    initializer: { name: string; type: number; dims?: string[] }[];
  };
  metadata: { key: string; value: string }[];
}

/** What an ONNX file says, as far as tests ask. */
export function decodeOnnx(onnx: Uint8Array): DecodedModel {
  return root.lookupType('Model').decode(onnx).toJSON() as DecodedModel;
}

/** The ops of a model's nodes, in order. */
export const onnxOps = (onnx: Uint8Array): string[] => decodeOnnx(onnx).graph.node.map(({ op }) => op);

export const onnxMetadata = (onnx: Uint8Array) => decodeOnnx(onnx).metadata;
