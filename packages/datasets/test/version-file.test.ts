import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { importFer2013, openVersion } from '../src/index.js';
import { encodeVersion } from '../src/version-file.js';
import { csv, options, pieces } from './support.js';

const source = csv([
  { label: 0, id: 1, usage: 'Training' },
  { label: 3, id: 2, usage: 'PublicTest' },
]);

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('optional sections of a version file', () => {
  it('change nothing where there are none: the bytes are those of before', async () => {
    const { bytes } = await importFer2013(pieces(source), options);
    expect(sha256(bytes)).toBe('7eb1c4a6d22307988a84cb270a9ee8b4a4156d1e2b365213700856d940ae6011');
    const opened = openVersion(bytes);
    expect(opened.sections.size).toBe(0);
    expect(Buffer.from(encodeVersion(opened)).equals(bytes)).toBe(true);
  });

  it('come back by name, and do not depend on the order in which they were added', async () => {
    const { bytes } = await importFer2013(pieces(source), options);
    const version = openVersion(bytes);
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1, maxLength: 12 }), fc.uint8Array({ maxLength: 40 }), {
          maxKeys: 5,
        }),
        (content) => {
          const entries = Object.entries(content);
          const written = encodeVersion({ ...version, sections: new Map(entries) });
          const reversed = encodeVersion({ ...version, sections: new Map(entries.reverse()) });
          expect(Buffer.from(written).equals(reversed)).toBe(true);
          const opened = openVersion(written);
          expect(new Map(opened.sections)).toEqual(new Map(entries));
          expect(Buffer.from(opened.pixels).equals(version.pixels)).toBe(true);
          expect([...opened.labels]).toEqual([0, 3]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('are guarded by the same SHA-256 as the images', async () => {
    const { bytes } = await importFer2013(pieces(source), options);
    const sections = new Map([['subjects', Uint8Array.of(1, 2)]]);
    const written = encodeVersion({ ...openVersion(bytes), sections });
    const damaged = Uint8Array.from(written);
    damaged[damaged.length - 1] = 9;
    expect(() => openVersion(damaged)).toThrow('SHA-256');
    expect(() => openVersion(written.subarray(0, written.length - 1))).toThrow('expected');
  });
});
