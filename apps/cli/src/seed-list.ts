import { UsageError } from './errors.js';

/** Most seeds that one range may name. */
const longest = 1000;

/** `0,3,5-8` as numbers. @throws UsageError for anything else */
export function seedList(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(part.trim()) ?? [];
    const from = Number(first ?? NaN);
    const to = Number(last ?? first ?? NaN);
    if (!(from <= to) || to - from >= longest)
      throw new UsageError(`Seeds "${part}": expected numbers and ranges such as 0,3,5-8.`);
    return Array.from({ length: to - from + 1 }, (_, offset) => from + offset);
  });
}
