const mask64 = (1n << 64n) - 1n;

/**
 * SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): turns any seed into well-mixed 64-bit words. Used to fill the
 * state of {@link Random}, as the authors of xoshiro advise.
 *
 * @param seed any integer, taken modulo 2^64
 */
export function* splitMix64(seed: bigint): Generator<bigint, never> {
  let state = seed & mask64;
  for (;;) {
    state = (state + 0x9e3779b97f4a7c15n) & mask64;
    let word = state;
    word = ((word ^ (word >> 30n)) * 0xbf58476d1ce4e5b9n) & mask64;
    word = ((word ^ (word >> 27n)) * 0x94d049bb133111ebn) & mask64;
    yield word ^ (word >> 31n);
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/**
 * xoshiro128** (Blackman, Vigna, ACM TOMS 2021): a small, fast generator whose sequence depends on its seed only.
 * Every random choice of this package (splits, subsets, synthetic faces) comes from here.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  private constructor(state: readonly [number, number, number, number]) {
    [this.#a, this.#b, this.#c, this.#d] = state;
  }

  /** The generator with exactly this state; not all zero. */
  static fromState(state: readonly [number, number, number, number]): Random {
    if (state.every((word) => word === 0))
      throw new RangeError('xoshiro128** needs a state that is not all zero');
    return new Random(state);
  }

  /**
   * @param seed   integer from 0 to 2^32 - 1
   * @param stream integer from 0 to 2^32 - 1 that separates independent uses of one seed (default 0)
   */
  static seeded(seed: number, stream = 0): Random {
    const words = splitMix64((BigInt(stream >>> 0) << 32n) | BigInt(seed >>> 0));
    const first = words.next().value;
    const second = words.next().value;
    return new Random([
      Number(first & 0xffffffffn),
      Number(first >> 32n),
      Number(second & 0xffffffffn),
      Number(second >> 32n),
    ]);
  }

  /** An integer from 0 to 2^32 - 1. */
  uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /** A number in [0, 1) with 53 random bits. */
  float(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** An integer from 0 to `bound` - 1, without bias; `bound` from 1 to 2^32. */
  below(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
      throw new RangeError(`expected a bound from 1 to 2^32, got ${bound}`);
    }
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let word = this.uint32();
    while (word >= limit) word = this.uint32();
    return word % bound;
  }

  /** A number in [min, max). */
  between(min: number, max: number): number {
    return min + (max - min) * this.float();
  }

  /** A draw from the standard normal distribution (Box, Muller, 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.float())) * Math.cos(2 * Math.PI * this.float());
  }

  /** Shuffles in place (Fisher, Yates) and returns the same array. */
  shuffle<T>(items: T[]): T[] {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      [items[last], items[other]] = [items[other] as T, items[last] as T];
    }
    return items;
  }
}
