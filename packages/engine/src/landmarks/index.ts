import { setImmediate } from 'node:timers/promises';
import { capture } from '../capture/index.js';
import { required } from '../required.js';
import { TrainingStopped } from '../train/stopped.js';
import { landmarkNetwork } from './network.js';
import { landmarkWeights } from './weights.js';

export const landmarkCount = 68;
const batch = 64;

export interface FaceLandmarks {
  /** [count, 68, 2]: x and y in pixels of the pictures, which span 0 to their size; the iBUG order. */
  readonly points: Float32Array;
  /** For each picture 1 where the points are usable numbers within the picture and around it, else 0. */
  readonly found: Uint8Array;
}

/**
 * Landmarks of faces that fill their pictures, as those of a face data set do, by the 68-point network of
 * @vladmandic/face-api. The network gives points for any picture, and does not say how sure it is: whether they can be
 * a face is for the geometry to say.
 *
 * @param pixels count pictures of size * size greys
 * @param report called after each batch with the number of pictures done
 * @throws TrainingStopped when the signal asked for it
 */
export async function faceLandmarks(
  pixels: Uint8Array,
  size: number,
  signal: AbortSignal,
  report: (done: number) => void = () => undefined,
): Promise<FaceLandmarks> {
  const stride = size * size;
  const count = pixels.length / stride;
  const weights = landmarkWeights();
  const state = Object.fromEntries(
    [...weights].map(([name, { shape }]) => [name, { shape, dtype: 'float32' as const }]),
  );
  const program = capture({
    state: { network: state },
    inputs: { pictures: { shape: [batch, size, size, 1], dtype: 'uint8' } },
    fetches: {
      find: ({ state: values, inputs }) => {
        const weight = (name: string) => required(values.network[name], name);
        return { outputs: { points: landmarkNetwork(inputs.pictures, weight) } };
      },
    },
  });
  try {
    program.write('network', Object.fromEntries([...weights].map(([name, { values }]) => [name, values])));
    const points = new Float32Array(count * landmarkCount * 2);
    for (let start = 0; start < count; start += batch) {
      // A run blocks; between two of them the process answers whoever asks.
      await setImmediate();
      if (signal.aborted) throw new TrainingStopped(null);
      const taken = Math.min(batch, count - start);
      const pictures = new Uint8Array(batch * stride);
      pictures.set(pixels.subarray(start * stride, (start + taken) * stride));
      const found = required(program.run('find', { pictures })['points'], 'points');
      for (let at = 0; at < taken * landmarkCount * 2; at++)
        points[start * landmarkCount * 2 + at] = (found[at] as number) * size;
      report(start + taken);
    }
    return { points, found: Uint8Array.from({ length: count }, (_, image) => usable(points, image, size)) };
  } finally {
    program.dispose();
  }
}

/** 1 where all points are numbers within half a side of the picture. */
function usable(points: Float32Array, image: number, size: number): number {
  const own = points.subarray(image * landmarkCount * 2, (image + 1) * landmarkCount * 2);
  return own.every((value) => value >= -size / 2 && value <= 1.5 * size) ? 1 : 0;
}
