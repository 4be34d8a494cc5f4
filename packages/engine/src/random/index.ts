import { required } from '../required.js';

/**
 * Random numbers of the host: the order of images and initial weights. Each stream depends on its seed and name only,
 * so adding a layer or a stream changes no other. (What is random inside a step comes from the step's key instead.)
 */
export interface RandomStream {
  /** Uniform in [0, 1), 32 bits. */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** Uniform whole number in [0, bound). */
  below(bound: number): number;
}

/** The 128-bit string hash cyrb128 (public domain): four well-mixed words to seed a generator. */
function hashWords(text: string): [number, number, number, number] {
  let [a, b, c, d] = [1779033703, 3144134277, 1013904242, 2773480762];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    a = b ^ Math.imul(a ^ code, 597399067);
    b = c ^ Math.imul(b ^ code, 2869860233);
    c = d ^ Math.imul(c ^ code, 951274213);
    d = a ^ Math.imul(d ^ code, 2716044179);
  }
  a = Math.imul(c ^ (a >>> 18), 597399067);
  b = Math.imul(d ^ (b >>> 22), 2869860233);
  c = Math.imul(a ^ (c >>> 17), 951274213);
  d = Math.imul(b ^ (d >>> 19), 2716044179);
  return [(a ^ b ^ c ^ d) >>> 0, (b ^ a) >>> 0, (c ^ a) >>> 0, (d ^ a) >>> 0];
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** The stream `name` of `seed`: xoshiro128** (Blackman & Vigna, 2018). */
export function randomStream(seed: number, name: string): RandomStream {
  let [a, b, c, d] = hashWords(`${seed}/${name}`);
  const next = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
  for (let index = 0; index < 16; index++) next();
  const uniform = () => next() / 2 ** 32;
  return {
    uniform,
    // Box-Muller; 1 - u keeps the logarithm's argument above zero.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    below(bound) {
      // Rejection keeps every value equally likely.
      const limit = 2 ** 32 - (2 ** 32 % bound);
      for (;;) {
        const value = next();
        if (value < limit) return value % bound;
      }
    },
  };
}

/** A random order of 0 … count - 1 (Fisher-Yates). */
export function permutation(stream: RandomStream, count: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index--) {
    const other = stream.below(index + 1);
    const value = required(order[index], 'an element of the order');
    order[index] = required(order[other], 'an element of the order');
    order[other] = value;
  }
  return order;
}
