import { randomStream } from '../random/index.js';

/**
 * Where an attack starts, in units of epsilon: uniform in [-1, 1) for every value of the pictures. It follows from seed,
 * restart and each picture's place in its data set alone, so neither the batch a picture is in nor the attack, epsilon
 * or other pictures change it.
 *
 * @param places  of the pictures in the data set
 * @param values  per picture
 * @returns [places, values]
 */
export function startNoise(
  seed: number,
  restart: number,
  places: ArrayLike<number>,
  values: number,
): Float32Array {
  const noise = new Float32Array(places.length * values);
  for (let picture = 0; picture < places.length; picture += 1) {
    const { uniform } = randomStream(seed, `attack/${restart}/${places[picture] ?? 0}`);
    const end = (picture + 1) * values;
    for (let at = picture * values; at < end; at += 1) noise[at] = 2 * uniform() - 1;
  }
  return noise;
}
