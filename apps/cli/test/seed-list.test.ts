import { expect, test } from '@jest/globals';
import { UsageError } from '../src/errors.js';
import { seedList } from '../src/seed-list.js';

test('numbers and ranges', () => {
  expect(seedList('3')).toEqual([3]);
  expect(seedList('0,3, 5-8')).toEqual([0, 3, 5, 6, 7, 8]);
});

test.each(['', 'x', '5-3', '-1', '1.5', '0-100000', '1,,2'])('"%s" is refused', (text) => {
  expect(() => seedList(text)).toThrow(UsageError);
});
