import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSession } from '../../src/capture/index.js';
import type { FrozenGraph } from '../../src/export/frozen.js';
import { nativeBinding, nativeTypes } from '../../src/native/index.js';
import { execute, inFolder, unpack } from './files.js';

export interface Answer {
  shape: number[];
  logits: ArrayLike<number>;
}

function answerOf(session: number, pixels: Float32Array, shape: readonly number[]): Answer {
  const binding = nativeBinding();
  const input = binding.createTensor(shape, nativeTypes.float32, pixels);
  const [output] = binding.runSavedModel(session, [input], 'pixels:0', 'logits:0');
  if (!output) throw new Error('no answer');
  const logits = Float32Array.from(binding.tensorDataSync(output.id));
  for (const id of [input, output.id]) binding.deleteTensor(id);
  return { shape: output.shape, logits };
}

/** What a frozen graph answers for some pictures. */
export function runFrozen({ graph, input }: FrozenGraph, pixels: Float32Array, images: number): number[] {
  const session = loadSession(graph);
  const { logits } = answerOf(session, pixels, [images, ...input.shape.slice(1)]);
  nativeBinding().deleteSavedModel(session);
  return Array.from(logits);
}

/** What a SavedModel in a tar answers in TensorFlow for pixels of each shape, and the metadata beside it. */
export function runSavedModel(
  archive: Uint8Array,
  pixels: Uint8Array,
  shapes: readonly number[][],
): Promise<{ metadata: Record<string, unknown>; answers: Answer[] }> {
  return inFolder(async (work) => {
    const folder = join(work, 'model');
    await unpack(archive, folder);
    const metadata = JSON.parse(
      await readFile(join(folder, 'assets.extra', 'metadata.json'), 'utf8'),
    ) as Record<string, unknown>;
    const session = nativeBinding().loadSavedModel(folder, 'serve');
    const answers = shapes.map((shape) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return answerOf(session, Float32Array.from(pixels.subarray(0, size)), shape);
    });
    nativeBinding().deleteSavedModel(session);
    return { metadata, answers };
  });
}

interface TfjsAnswer {
  metadata: Record<string, unknown>;
  inputs: { name: string; dtype: string; shape: number[] }[];
  answers: Answer[];
}

const runner = fileURLToPath(new URL('./run-tfjs.mjs', import.meta.url));

/** What a graph model in a tar says of itself and answers in TensorFlow.js for pixels of each shape. */
export function runTfjs(
  archive: Uint8Array,
  pixels: Uint8Array,
  shapes: readonly number[][],
): Promise<TfjsAnswer> {
  return inFolder(async (work) => {
    const [folder, input] = [join(work, 'model'), join(work, 'pixels')];
    await unpack(archive, folder);
    await writeFile(input, pixels);
    const { stdout } = await execute(process.execPath, [runner, folder, input, JSON.stringify(shapes)]);
    return JSON.parse(stdout) as TfjsAnswer;
  });
}
