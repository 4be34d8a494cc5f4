/** A linear map of `domain` to `range`; a domain without extent maps to the middle of the range. */
export function linear(
  [low, high]: readonly [number, number],
  [from, to]: readonly [number, number],
): (value: number) => number {
  if (high === low) return () => (from + to) / 2;
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}

/** Round numbers (1, 2 or 5 times a power of ten apart) within `low` to `high`: about `most` of them, rising. */
export function ticksOf(low: number, high: number, most = 5): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/** `[low, high]` of the values that are there, widened by `margin` of their extent; null where there are none. */
export function extentOf(
  values: readonly (number | null | undefined)[],
  margin = 0,
): [number, number] | null {
  const known = values.filter((value) => typeof value === 'number' && Number.isFinite(value)) as number[];
  if (known.length === 0) return null;
  const low = known.reduce((least, value) => Math.min(least, value), Infinity);
  const high = known.reduce((most, value) => Math.max(most, value), -Infinity);
  const extra = high === low ? Math.max(Math.abs(high) * 0.05, 1e-6) : (high - low) * margin;
  return [low - extra, high + extra];
}

/** A number on an axis: as short as it can be told, thousands and millions by letter. */
export function tickText(value: number): string {
  const size = Math.abs(value);
  const [divisor, letter] =
    size >= 1e9 ? [1e9, 'G'] : size >= 1e6 ? [1e6, 'M'] : size >= 1e4 ? [1e3, 'k'] : [1, ''];
  return `${Number((value / divisor).toPrecision(4))}${letter}`.replace('-', '−');
}

/** A map of `domain`, above zero, to `range` by the logarithm. */
export function powers(
  [low, high]: readonly [number, number],
  range: readonly [number, number],
): (value: number) => number {
  const along = linear([Math.log10(low), Math.log10(high)], range);
  return (value) => along(Math.log10(value));
}

/** Powers of ten within `low` to `high`, above zero; where there are fewer than two, round numbers. */
export function powersWithin(low: number, high: number): number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const found = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => 10 ** (first + index));
  return found.length < 2 ? ticksOf(low, high) : found;
}
