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
export function runOnnx(
  onnx: Uint8Array,
  pixels: Uint8Array,
  shape: readonly number[],
): Promise<OnnxAnswer> {
  return inFolder(async (folder) => {
    const [model, input] = [join(folder, 'model.onnx'), join(folder, 'pixels')];
    await writeFile(model, onnx);
    await writeFile(input, pixels);
    const { stdout } = await execute(process.execPath, [runner, model, input, JSON.stringify(shape)]);
    return JSON.parse(stdout) as OnnxAnswer;
  });
}

/** Largest difference over the largest expected value. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const largest = (values: number[]): number => Math.max(...values.map(Math.abs));
  const differences = Array.from(expected, (value, i) => value - (actual[i] ?? NaN));
  return largest(differences) / largest(Array.from(expected));
}
