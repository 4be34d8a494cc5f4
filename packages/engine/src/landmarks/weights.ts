import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const manifest = z.array(
  z.object({
    paths: z.array(z.string()),
    weights: z.array(
      z.object({
        name: z.string(),
        shape: z.array(z.int()),
        quantization: z.object({ dtype: z.literal('uint8'), scale: z.number(), min: z.number() }),
      }),
    ),
  }),
);

export interface NamedWeight {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/**
 * The weights of the 68-point network of @vladmandic/face-api, from the package's own files: bytes that stand for
 * byte * scale + min.
 *
 * @throws Error where the files are not those that this version of the package has
 */
export function landmarkWeights(): Map<string, NamedWeight> {
  const require = createRequire(import.meta.url);
  const folder = join(dirname(require.resolve('@vladmandic/face-api/package.json')), 'model');
  const [group] = manifest.parse(
    JSON.parse(readFileSync(join(folder, 'face_landmark_68_model-weights_manifest.json'), 'utf8')),
  );
  if (group === undefined) throw new Error(`${folder}: the manifest of the landmark network is empty`);
  const bytes = Buffer.concat(group.paths.map((path) => readFileSync(join(folder, path))));
  const weights = new Map<string, NamedWeight>();
  let at = 0;
  for (const { name, shape, quantization } of group.weights) {
    const size = shape.reduce((product, length) => product * length, 1);
    const { scale, min } = quantization;
    weights.set(name, {
      shape,
      values: Float32Array.from(bytes.subarray(at, at + size), (byte) => byte * scale + min),
    });
    at += size;
  }
  if (at !== bytes.length)
    throw new Error(`${folder}: expected ${at} bytes of weights, found ${bytes.length}`);
  return weights;
}
