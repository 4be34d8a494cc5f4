import { describe, expect, it } from '@jest/globals';
import { unnamedSkips } from '../../scripts/lib/skips.mjs';

describe('skipped tests', () => {
  const named = [{ suite: 'S3 store', missing: ['s3'] }];
  const test = (...ancestorTitles: string[]) => ({
    file: 'a.test.ts',
    ancestorTitles,
    fullName: [...ancestorTitles, 'works'].join(' '),
  });

  it('within a suite that says what it lacks are accounted for', () => {
    expect(unnamedSkips(named, [test('S3 store (needs s3)'), test('S3 store (needs s3)', 'ranges')])).toEqual(
      [],
    );
  });

  it('elsewhere are complained about, however many are named', () => {
    expect(unnamedSkips(named, [test('S3 store (needs s3)'), test('S3 store'), test()])).toEqual([
      'Skipped without a named reason: S3 store works (a.test.ts)',
      'Skipped without a named reason: works (a.test.ts)',
    ]);
  });
});
