import { describe, expect, it } from '@jest/globals';
import { parseRange } from '../src/files/range.js';

describe('Range headers', () => {
  it.each([
    ['bytes=0-4', { start: 0, end: 4 }],
    ['bytes=6-', { start: 6, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-30', { start: 0, end: 9 }],
    ['bytes=8-100', { start: 8, end: 9 }],
  ])('%s of ten bytes', (header, range) => {
    expect(parseRange(header, 10)).toEqual(range);
  });

  it.each([undefined, '', 'bytes=', 'bytes=-', 'items=0-1', 'bytes=0-1,4-5', 'bytes=5-2'])(
    '%s means the whole file',
    (header) => {
      expect(parseRange(header, 10)).toBeNull();
    },
  );

  it.each(['bytes=10-', 'bytes=10-12', 'bytes=-0'])('%s asks for no byte of ten', (header) => {
    expect(parseRange(header, 10)).toBe('unsatisfiable');
  });

  it('no range of an empty file can be satisfied', () => {
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
    expect(parseRange('bytes=-5', 0)).toBe('unsatisfiable');
  });
});
