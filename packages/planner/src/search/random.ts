import { sha256Of } from '../content-key.js';

/** Uniform numbers in [0, 1) from any text: the same ones on every machine (sfc32, C. Doty-Humphrey, 2010). */
export function randomFrom(text: string): () => number {
  const hash = sha256Of(text);
  const word = (at: number) => Number.parseInt(hash.slice(8 * at, 8 * at + 8), 16) | 0;
  let [a, b, c, counter] = [word(0), word(1), word(2), word(3)];
  return () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return (sum >>> 0) / 2 ** 32;
  };
}

/** A standard normal number (Box & Muller, 1958). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Which of these weights, whose sum is 1, a uniform number falls on. */
export function drawIndex(random: () => number, weights: readonly number[]): number {
  let left = random();
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return index;
  }
  return weights.length - 1;
}

/** A permutation of 0 … n - 1 (Fisher & Yates, in Durstenfeld's form). */
export function shuffledPlaces(random: () => number, n: number): number[] {
  const places = Array.from({ length: n }, (_, place) => place);
  for (let at = n - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    [places[at], places[other]] = [places[other] ?? other, places[at] ?? at];
  }
  return places;
}
