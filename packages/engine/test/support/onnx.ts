import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface OnnxAnswer {
  inputs: { name: string; type: string; shape: (number | string)[] }[];
  outputs: { name: string; type: string; shape: (number | string)[] }[];
  shape: number[];
  logits: number[];
}

const execute = promisify(execFile);
const runner = fileURLToPath(new URL('./run-onnx.mjs', import.meta.url));

/** What onnxruntime says of a model and answers for pixels [images, channels, size, size]. */
export async function runOnnx(
  onnx: Uint8Array,
  pixels: Uint8Array,
  shape: readonly number[],
): Promise<OnnxAnswer> {
  const folder = await mkdtemp(join(tmpdir(), 'ferment-onnx-'));
  try {
    const [model, input] = [join(folder, 'model.onnx'), join(folder, 'pixels')];
    await writeFile(model, onnx);
    await writeFile(input, pixels);
    const { stdout } = await execute(process.execPath, [runner, model, input, JSON.stringify(shape)]);
    return JSON.parse(stdout) as OnnxAnswer;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Largest difference over the largest expected value. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  const largest = (values: number[]): number => Math.max(...values.map(Math.abs));
  const differences = Array.from(expected, (value, i) => value - (actual[i] ?? NaN));
  return largest(differences) / largest(Array.from(expected));
}
