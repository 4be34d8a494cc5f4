import { emotions, type DatasetSummary } from '@ferment/contracts';
import { facePixels, unlabelled, usageCode } from './usages.js';

type Column = 'emotion' | 'pixels' | 'Usage';
export type Fer2013Format = DatasetSummary['format'];
export interface Fer2013Header {
  format: Fer2013Format;
  columns: readonly Column[];
}

const dialects: readonly Fer2013Header[] = [
  { format: 'fer2013-csv', columns: ['emotion', 'pixels', 'Usage'] },
  { format: 'icml-csv', columns: ['emotion', 'Usage', 'pixels'] },
  { format: 'train-csv', columns: ['emotion', 'pixels'] },
  { format: 'test-csv', columns: ['pixels'] },
];

const comma = 0x2c;
const space = 0x20;
const quote = 0x22;
const zero = 0x30;

/**
 * The dialect a header line names; white space around names, quotes and a byte order mark do not matter.
 *
 * @returns null where the line is the header of no dialect
 */
export function readHeader(line: string): Fer2013Header | null {
  const names = line
    .replace(/^\uFEFF/, '')
    .split(',')
    .map((name) =>
      name
        .trim()
        .replace(/^"(.*)"$/, '$1')
        .trim(),
    );
  return dialects.find(({ columns }) => columns.join() === names.join()) ?? null;
}

/** How the headers are written, for error messages. */
export const knownHeaders = dialects.map(({ columns }) => `"${columns.join(',')}"`).join(', ');

/**
 * Reads rows of one dialect straight from bytes, without building strings. After a good row `label` and `usage`
 * hold its values and the pixels stand in the target; a bad row leaves a reason and may leave rubbish in the target.
 */
export class RowReader {
  label = unlabelled;
  usage: number;

  constructor(private readonly header: Fer2013Header) {
    this.usage = header.format === 'test-csv' ? usageCode.Test : usageCode.Training;
  }

  /**
   * @param bytes  text, of which [start, end) is one line without its line ending
   * @param target receives 2,304 values from 0 to 255 from index `at` on
   * @returns null for a good row, else what is wrong with it
   */
  read(bytes: Uint8Array, start: number, end: number, target: Uint8Array, at: number): string | null {
    const { columns } = this.header;
    let from = start;
    for (let column = 0; column < columns.length; column++) {
      if (from > end) return `expected ${columns.length} fields (${columns.join(', ')}), found ${column}`;
      const separator = bytes.indexOf(comma, from);
      const to = separator === -1 || separator > end ? end : separator;
      if (column === columns.length - 1 && to < end) {
        return `expected ${columns.length} fields (${columns.join(', ')}), found more`;
      }
      const problem = this.#field(columns[column] as Column, bytes, from, to, target, at);
      if (problem !== null) return problem;
      from = to + 1;
    }
    return null;
  }

  #field(
    column: Column,
    bytes: Uint8Array,
    start: number,
    end: number,
    target: Uint8Array,
    at: number,
  ): string | null {
    let from = start;
    let to = end;
    while (from < to && bytes[from] === space) from++;
    while (from < to && bytes[to - 1] === space) to--;
    if (to - from >= 2 && bytes[from] === quote && bytes[to - 1] === quote) {
      from++;
      to--;
    }
    if (column === 'pixels') return readPixels(bytes, from, to, target, at);
    if (column === 'emotion') {
      const label = to - from === 1 ? (bytes[from] as number) - zero : -1;
      if (label < 0 || label >= emotions.length) {
        return `emotion: expected an integer from 0 to ${emotions.length - 1}, found ${shown(bytes, from, to)}`;
      }
      this.label = label;
      return null;
    }
    const name = to - from > 16 ? '' : ascii(bytes, from, to);
    if (name !== 'Training' && name !== 'PublicTest' && name !== 'PrivateTest') {
      return `Usage: expected Training, PublicTest or PrivateTest, found ${shown(bytes, from, to)}`;
    }
    this.usage = usageCode[name];
    return null;
  }
}

function readPixels(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
): string | null {
  let count = 0;
  let index = start;
  while (index < end) {
    if (bytes[index] === space) {
      index++;
      continue;
    }
    const first = index;
    let value = 0;
    let digit = (bytes[index] as number) - zero;
    while (digit >= 0 && digit <= 9 && index < end) {
      value = value * 10 + digit;
      index++;
      digit = (bytes[index] as number) - zero;
    }
    const ends = index === end || bytes[index] === space;
    if (!ends || index === first || index - first > 3 || value > 255) {
      while (index < end && bytes[index] !== space) index++;
      return `pixel ${count + 1}: expected an integer from 0 to 255, found ${shown(bytes, first, index)}`;
    }
    if (count < facePixels) target[at + count] = value;
    count++;
  }
  return count === facePixels ? null : `expected ${facePixels} pixels, found ${count}`;
}

function ascii(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end));
}

function shown(bytes: Uint8Array, start: number, end: number): string {
  if (start === end) return 'nothing';
  const text = new TextDecoder().decode(bytes.subarray(start, Math.min(end, start + 24)));
  return JSON.stringify(end - start > 24 ? `${text}…` : text);
}
