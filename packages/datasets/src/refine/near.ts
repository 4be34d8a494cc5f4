/** Two pictures whose hashes differ in `distance` bits; `first` comes before `second`. */
export interface NearPair {
  first: number;
  second: number;
  distance: number;
}

const chunks = 4;
const chunkBits = 16;
const chunkValues = 1 << chunkBits;

/**
 * All pairs of 64-bit hashes that differ in at most `radius` bits, by multi-index hashing (Norouzi, Punjani, Fleet,
 * CVPR 2012): with radius = 4 r + a, two such hashes differ in at most r bits in one of the first a + 1 quarters, or in
 * at most r - 1 in one of the others; each quarter has an index. Exact: the same pairs as comparing all with all.
 *
 * @param words  two words for each hash, the high half first
 * @param radius 0 to 64; the work grows steeply with it (16 is practical)
 * @returns ordered by `first`, then `second`
 */
export function nearPairs(words: Uint32Array, radius: number): NearPair[] {
  const count = words.length / 2;
  const radii = Array.from({ length: chunks }, (_, chunk) =>
    chunk <= radius % chunks ? Math.floor(radius / chunks) : Math.floor(radius / chunks) - 1,
  );
  const pairs: NearPair[] = [];
  radii.forEach((within, chunk) => {
    if (within < 0) return;
    const { starts, members } = index(words, chunk);
    const masks = masksWithin(within);
    for (let image = 0; image < count; image++) {
      const own = chunkOf(words, image, chunk);
      for (const mask of masks) {
        const bucket = own ^ mask;
        const end = starts[bucket + 1] as number;
        for (let at = starts[bucket] as number; at < end; at++) {
          const other = members[at] as number;
          // Each pair once, and in the first quarter in which it would be found.
          if (other <= image || foundBefore(words, image, other, chunk, radii)) continue;
          const distance = hammingDistance(words, image, other);
          if (distance <= radius) pairs.push({ first: image, second: other, distance });
        }
      }
    }
  });
  return pairs.sort((a, b) => a.first - b.first || a.second - b.second);
}

/** Bits in which two hashes differ. */
export function hammingDistance(words: Uint32Array, a: number, b: number): number {
  return (
    setBits((words[2 * a] as number) ^ (words[2 * b] as number)) +
    setBits((words[2 * a + 1] as number) ^ (words[2 * b + 1] as number))
  );
}

function setBits(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function chunkOf(words: Uint32Array, image: number, chunk: number): number {
  const word = words[2 * image + (chunk >>> 1)] as number;
  return chunk % 2 === 0 ? word >>> chunkBits : word & (chunkValues - 1);
}

function foundBefore(
  words: Uint32Array,
  a: number,
  b: number,
  chunk: number,
  radii: readonly number[],
): boolean {
  for (let earlier = 0; earlier < chunk; earlier++) {
    const differing = setBits(chunkOf(words, a, earlier) ^ chunkOf(words, b, earlier));
    if (differing <= (radii[earlier] as number)) return true;
  }
  return false;
}

/** Images by the value of one quarter of their hash (a counting sort): those of value v stand from starts[v] on. */
function index(words: Uint32Array, chunk: number): { starts: Int32Array; members: Int32Array } {
  const count = words.length / 2;
  const starts = new Int32Array(chunkValues + 1);
  for (let image = 0; image < count; image++) {
    const after = chunkOf(words, image, chunk) + 1;
    starts[after] = (starts[after] as number) + 1;
  }
  for (let value = 0; value < chunkValues; value++)
    starts[value + 1] = (starts[value + 1] as number) + (starts[value] as number);
  const next = starts.slice();
  const members = new Int32Array(count);
  for (let image = 0; image < count; image++) {
    const value = chunkOf(words, image, chunk);
    const at = next[value] as number;
    members[at] = image;
    next[value] = at + 1;
  }
  return { starts, members };
}

/** All 16-bit words with at most so many bits set, fewest first. */
function masksWithin(bits: number): Uint16Array {
  const all = Array.from({ length: chunkValues }, (_, mask) => mask).filter((mask) => setBits(mask) <= bits);
  return Uint16Array.from(all.sort((a, b) => setBits(a) - setBits(b) || a - b));
}
