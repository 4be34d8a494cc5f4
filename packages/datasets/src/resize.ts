/** For each target pixel the first source pixel that counts, and the weights from there on. */
export interface Taps {
  first: Int32Array;
  weights: Float64Array[];
}

/**
 * Resizes a square grey picture. `bilinear`: pixel centres at half integers, the filter widened when shrinking so
 * that every source pixel counts (as Pillow's BILINEAR does). `area`: the mean over the part of the source that a
 * pixel covers (as OpenCV's INTER_AREA when shrinking).
 *
 * @param pixels from * from values, 0 to 255, row major
 * @returns to * to values, rounded
 */
export function resizer(
  from: number,
  to: number,
  filter: 'bilinear' | 'area' = 'bilinear',
): (pixels: Uint8Array) => Uint8Array {
  if (from === to) return (pixels) => pixels;
  const { first, weights } = filter === 'area' ? areaTaps(from, to) : taps(from, to);
  const rows = new Float64Array(from * to);
  return (pixels) => {
    for (let y = 0; y < from; y++) {
      for (let x = 0; x < to; x++) {
        const own = weights[x] as Float64Array;
        const at = y * from + (first[x] as number);
        let sum = 0;
        for (let k = 0; k < own.length; k++) sum += (own[k] as number) * (pixels[at + k] as number);
        rows[y * to + x] = sum;
      }
    }
    const result = new Uint8Array(to * to);
    for (let y = 0; y < to; y++) {
      const own = weights[y] as Float64Array;
      const at = first[y] as number;
      for (let x = 0; x < to; x++) {
        let sum = 0;
        for (let k = 0; k < own.length; k++) sum += (own[k] as number) * (rows[(at + k) * to + x] as number);
        result[y * to + x] = Math.min(255, Math.max(0, Math.round(sum)));
      }
    }
    return result;
  };
}

export function taps(from: number, to: number): Taps {
  const scale = from / to;
  const support = Math.max(1, scale);
  const first = new Int32Array(to);
  const weights = Array.from({ length: to }, (_, index) => {
    const centre = (index + 0.5) * scale;
    const low = Math.max(0, Math.round(centre - support));
    const high = Math.min(from, Math.round(centre + support));
    first[index] = low;
    const raw = Float64Array.from({ length: high - low }, (__, k) =>
      Math.max(0, 1 - Math.abs(low + k + 0.5 - centre) / support),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return raw.map((weight) => weight / sum);
  });
  return { first, weights };
}

function areaTaps(from: number, to: number): Taps {
  const scale = from / to;
  const first = new Int32Array(to);
  const weights = Array.from({ length: to }, (_, index) => {
    const low = Math.floor(index * scale);
    const high = Math.min(from, Math.ceil((index + 1) * scale));
    first[index] = low;
    return Float64Array.from({ length: high - low }, (__, k) => {
      const covered = Math.min((index + 1) * scale, low + k + 1) - Math.max(index * scale, low + k);
      return Math.max(0, covered) / scale;
    });
  });
  return { first, weights };
}
