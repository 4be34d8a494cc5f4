/** What a tensor's values are between; zero is in it. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Values that 8 bits tell apart, less one. */
export const steps = 255;

/** Shares of the full range that are tried; below these the values cut off weigh more than the finer steps gain. */
const shares = Array.from({ length: 30 }, (_, index) => 1 - index / 32);

// Jest's sandbox looks a global up each time it is used, and this loop runs millions of times.
const { floor } = Math;

/** Squared error of holding counted values in 256 equal steps of a range, values beyond it cut off at its ends. */
function errorOf({ low, high }: Range, values: Float64Array, counts: Float64Array): number {
  const step = (high - low) / steps;
  let error = 0;
  for (let place = 0; place < values.length; place += 1) {
    const value = values[place] ?? 0;
    const within = value < low ? low : value > high ? high : value;
    const off = value - floor(within / step + 0.5) * step;
    error += (counts[place] ?? 0) * off * off;
  }
  return error;
}

/**
 * The range within the full one whose 256 equal steps hold the values with the least squared error: each end is drawn
 * in by itself while the other stays, twice in turn.
 *
 * @param counts how many values lie in each of equal parts of the full range
 */
export function bestRange(full: Range, counts: Float64Array): Range {
  const width = (full.high - full.low) / counts.length;
  const filled = Array.from(counts.keys()).filter((bin) => counts[bin] !== 0);
  const values = Float64Array.from(filled, (bin) => full.low + (bin + 0.5) * width);
  const weights = Float64Array.from(filled, (bin) => counts[bin] ?? 0);
  let best = full;
  const least = (candidates: readonly Range[]): Range => {
    const errors = candidates.map((candidate) => errorOf(candidate, values, weights));
    return candidates[errors.indexOf(Math.min(...errors))] ?? full;
  };
  for (let turn = 0; turn < 2; turn += 1) {
    best = least(shares.map((share) => ({ low: best.low, high: full.high * share })));
    if (full.low === 0) break; // one end only
    best = least(shares.map((share) => ({ low: full.low * share, high: best.high })));
  }
  return best;
}
