import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import {
  hammingDistance,
  hashText,
  nearPairs,
  pictureHashes,
  pictureHashMethods,
  Random,
  type NearPair,
} from '../../src/index.js';

interface Case {
  pixels: number[];
  ours: Record<'phash' | 'dhash', string>;
  imagehash: Record<'phash' | 'dhash', string>;
}
const cases = JSON.parse(
  readFileSync(new URL('../../fixtures/picture-hashes.json', import.meta.url), 'utf8'),
) as Case[];
const pixels = Uint8Array.from(cases.flatMap((each) => each.pixels));

function wordsOf(texts: string[]): Uint32Array {
  return Uint32Array.from(
    texts.flatMap((text) => [text.slice(0, 8), text.slice(8)]),
    (half) => Number.parseInt(half, 16),
  );
}

describe('picture hashes', () => {
  it.each(pictureHashMethods)("%s: equal SciPy's by the same definition", (method) => {
    const words = pictureHashes(pixels, 48, method);
    expect(cases.map((_, image) => hashText(words, image))).toEqual(cases.map(({ ours }) => ours[method]));
  });

  // imagehash resizes by another filter to whole greys, and takes the constant coefficient into the median.
  it.each([
    ['phash', 5],
    ['dhash', 6],
  ] as const)("%s: differ from imagehash's in at most %d bits", (method, bits) => {
    const words = pictureHashes(pixels, 48, method);
    const theirs = wordsOf(cases.map(({ imagehash }) => imagehash[method]));
    cases.forEach((_, image) => {
      const both = Uint32Array.of(
        ...words.subarray(2 * image, 2 * image + 2),
        ...theirs.subarray(2 * image, 2 * image + 2),
      );
      expect(hammingDistance(both, 0, 1)).toBeLessThanOrEqual(bits);
    });
  });

  it.each(pictureHashMethods)('%s: is the same for flat pictures, whatever their grey', (method) => {
    const flat = Uint8Array.from(
      { length: 3 * 48 * 48 },
      (_, at) => [0, 77, 255][Math.floor(at / 2304)] ?? 0,
    );
    const words = pictureHashes(flat, 48, method);
    expect(new Set([0, 1, 2].map((image) => hashText(words, image))).size).toBe(1);
  });

  it.each(pictureHashMethods)('%s: stays near under noise and a brighter picture', (method) => {
    const random = Random.seeded(1);
    const changed = pixels.map((grey) => Math.min(255, Math.max(0, grey * 0.8 + 30 + 2 * random.normal())));
    const words = pictureHashes(Uint8Array.from([...pixels, ...changed]), 48, method);
    // The last two are so smooth that noise decides on their finer coefficients.
    cases.slice(0, 4).forEach((_, image) => {
      expect(hammingDistance(words, image, image + cases.length)).toBeLessThanOrEqual(6);
    });
  });
});

describe('near pairs', () => {
  function bruteForce(words: Uint32Array, radius: number): NearPair[] {
    const bits = (image: number) =>
      (BigInt(words[2 * image] ?? 0) << 32n) | BigInt(words[2 * image + 1] ?? 0);
    const found: NearPair[] = [];
    for (let first = 0; first < words.length / 2; first++) {
      for (let second = first + 1; second < words.length / 2; second++) {
        const distance = (bits(first) ^ bits(second)).toString(2).replaceAll('0', '').length;
        if (distance <= radius) found.push({ first, second, distance });
      }
    }
    return found;
  }

  it('are those that comparing all with all finds, for any radius', () => {
    const flips = fc.array(fc.nat(63), { maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(3), flips), { minLength: 2, maxLength: 40 }),
        fc.nat(16),
        fc.nat(),
        (members, radius, seed) => {
          const random = Random.seeded(seed);
          const seeds = Array.from({ length: 4 }, () => [random.uint32(), random.uint32()] as const);
          const words = Uint32Array.from(
            members.flatMap(([from, flipped]) => {
              const own = [...(seeds[from] ?? [0, 0])];
              for (const bit of flipped) own[bit >>> 5] = ((own[bit >>> 5] ?? 0) ^ (1 << (bit & 31))) >>> 0;
              return own;
            }),
          );
          expect(nearPairs(words, radius)).toEqual(bruteForce(words, radius));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('include equal hashes at radius 0', () => {
    expect(nearPairs(Uint32Array.of(1, 2, 3, 4, 1, 2), 0)).toEqual([{ first: 0, second: 2, distance: 0 }]);
  });
});
