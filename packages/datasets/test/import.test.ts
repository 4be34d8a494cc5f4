import { describe, expect, it } from '@jest/globals';
import { JobFailure } from '@ferment/contracts';
import fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { importFer2013, importLimits, openVersion } from '../src/index.js';
import { csv, failureOf, options, picture, pieces, pixelsPerFace, type Row } from './support.js';

const rows: Row[] = [
  { label: 0, id: 1, usage: 'Training' },
  { label: 3, id: 2, usage: 'PublicTest' },
  { label: 6, id: 3, usage: 'PrivateTest' },
];

describe('the four dialects', () => {
  it('reads fer2013.csv', async () => {
    const { bytes, summary } = await importFer2013(pieces(csv(rows)), options);
    const version = openVersion(bytes);
    expect(summary.format).toBe('fer2013-csv');
    expect(summary.usages).toEqual({ Training: 1, PublicTest: 1, PrivateTest: 1 });
    expect([...version.labels]).toEqual([0, 3, 6]);
    expect([...version.pixels.subarray(pixelsPerFace, 2 * pixelsPerFace)].join(' ')).toBe(picture(2));
  });

  it('reads icml_face_data.csv, with its spaces and its order', async () => {
    const text = `emotion, Usage, pixels\r\n0,Training,${picture(1)}\r\n3, PublicTest, ${picture(2)}\r\n`;
    const { bytes, summary } = await importFer2013(pieces(text), options);
    expect(summary.format).toBe('icml-csv');
    expect(summary.usages).toEqual({ Training: 1, PublicTest: 1 });
    expect([...openVersion(bytes).labels]).toEqual([0, 3]);
  });

  it('reads train.csv, all of it Training, with quotes', async () => {
    const { bytes, summary } = await importFer2013(
      pieces(`"emotion","pixels"\n"4","${picture(1)}"`),
      options,
    );
    expect(summary).toMatchObject({
      format: 'train-csv',
      usages: { Training: 1 },
      protocols: {},
      defaultProtocol: null,
    });
    expect([...openVersion(bytes).labels]).toEqual([4]);
  });

  it('reads test.csv, which has no labels', async () => {
    const { bytes, summary } = await importFer2013(
      pieces(`\uFEFFpixels\n${picture(1)}\n\n${picture(2)}\n`),
      options,
    );
    expect(summary).toMatchObject({
      format: 'test-csv',
      images: 2,
      usages: { Test: 2 },
      defaultProtocol: null,
    });
    expect([...openVersion(bytes).labels]).toEqual([-1, -1]);
  });

  it('gives the same bytes for the same rows, gzipped or not, however the stream is cut', async () => {
    const plain = csv(rows);
    const expected = Buffer.from((await importFer2013(pieces(plain), options)).bytes);
    const zipped = gzipSync(plain);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 9000 }), fc.boolean(), async (size, gzipped) => {
        const source = gzipped ? pieces(zipped, size) : pieces(plain, Math.max(16, size));
        const { bytes } = await importFer2013(source, options);
        expect(expected.equals(bytes)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  it('counts clusters, copies and conflicts over all rows', async () => {
    const copies: Row[] = [
      ...rows,
      { label: 0, id: 1, usage: 'Training' },
      { label: 5, id: 1, usage: 'PublicTest' },
      { label: 3, id: 2, usage: 'Training' },
    ];
    const { summary } = await importFer2013(pieces(csv(copies)), options);
    expect(summary).toMatchObject({ duplicateClusters: 2, redundantCopies: 3, conflictClusters: 1 });
  });

  it('reports rows and bytes as they are read', async () => {
    const seen: { rows: number; bytes: number }[] = [];
    const text = csv(rows);
    await importFer2013(pieces(text), { ...options, onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(2);
    expect(seen.at(-1)).toEqual({ rows: 3, bytes: text.length });
    expect(seen.every(({ bytes }, index) => index === 0 || bytes >= (seen[index - 1]?.bytes ?? 0))).toBe(
      true,
    );
  });
});

describe('bad rows', () => {
  const good = picture(9);
  const bad: [string, string][] = [
    [`7,${good},Training`, 'emotion: expected an integer from 0 to 6, found "7"'],
    [`,${good},Training`, 'emotion: expected an integer from 0 to 6, found nothing'],
    [`happy,${good},Training`, 'emotion: expected an integer from 0 to 6, found "happy"'],
    [`1,${good.replace(/^\d+/, '256')},Training`, 'pixel 1: expected an integer from 0 to 255, found "256"'],
    [
      `1,${good.replace(/ \d+ /, ' 1.5 ')},Training`,
      'pixel 2: expected an integer from 0 to 255, found "1.5"',
    ],
    [`1,${good.replace(/^\d+/, '-1')},Training`, 'pixel 1: expected an integer from 0 to 255, found "-1"'],
    [`1,${good} 7,Training`, 'expected 2304 pixels, found 2305'],
    [`1,,Training`, 'expected 2304 pixels, found 0'],
    [`1,${good},Validation`, 'Usage: expected Training, PublicTest or PrivateTest, found "Validation"'],
    [`1,${good}`, 'expected 3 fields (emotion, pixels, Usage), found 2'],
    [`1,${good},Training,`, 'expected 3 fields (emotion, pixels, Usage), found more'],
  ];
  const text = [
    'emotion,pixels,Usage',
    `2,${good},Training`,
    ...bad.map(([line]) => line),
    `3,${picture(8)},PublicTest`,
  ];
  const expected = bad.map(([, reason], index) => ({ row: index + 3, reason }));

  it('fails and lists every one of them with its line', async () => {
    const failure = await failureOf(importFer2013(pieces(text.join('\n')), options));
    expect(failure.failureClass).toBe('user');
    expect(failure.details).toEqual({ bad: expected });
    expect(failure.message).toContain('11 bad rows');
    expect(failure.message).toContain('faces.csv:3: emotion');
    expect(failure.message).toContain('--skip-bad');
  });

  it('leaves them out and records them where asked to', async () => {
    const { bytes, summary } = await importFer2013(pieces(text.join('\n')), { ...options, skipBad: true });
    expect(summary.skipped).toEqual(expected);
    const version = openVersion(bytes);
    expect([...version.labels]).toEqual([2, 3]);
    expect([...version.pixels.subarray(0, pixelsPerFace)].join(' ')).toBe(good);
    expect([...version.pixels.subarray(pixelsPerFace)].join(' ')).toBe(picture(8));
  });

  it('never accepts a damaged row, whatever the damage', async () => {
    const line = `2,${good},Training`;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(line.length - 1),
        fc.constantFrom('x', '-', '.', ',', '"', ';', '\t', '\0'),
        async (at, sign) => {
          // The same sign again is no damage.
          fc.pre(line[at] !== sign);
          const damaged = `emotion,pixels,Usage\n${line.slice(0, at)}${sign}${line.slice(at + 1)}\n2,${good},Training`;
          const { summary } = await importFer2013(pieces(damaged), { ...options, skipBad: true });
          expect(summary.skipped.map(({ row }) => row)).toEqual([2]);
          expect(summary.images).toBe(1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('answers any bytes with a user failure or a version, never with another error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (noise, withHeader) => {
        const header = withHeader ? Buffer.from('pixels\n') : Buffer.alloc(0);
        const failure = await failureOf(importFer2013(pieces(Buffer.concat([header, noise])), options));
        expect(failure.failureClass).toBe('user');
      }),
    );
  });
});

describe('unusable sources', () => {
  it.each([
    ['an empty file', '', 'the file is empty'],
    ['another csv', 'image,label\n1,2\n', 'faces.csv:1: the header "image,label" is not FER2013\'s'],
    ['a header alone', 'emotion,pixels,Usage\n', 'no usable row'],
    ['a line without end', `emotion,pixels,Usage\n${'1'.repeat(2_000_000)}`, 'line 2 is longer than'],
  ])('refuses %s', async (_, text, message) => {
    const failure = await failureOf(importFer2013(pieces(text, 65536), options));
    expect(failure.failureClass).toBe('user');
    expect(failure.message).toContain(message);
  });

  it('refuses gzip data that is cut off', async () => {
    const zipped = gzipSync(csv(rows));
    const failure = await failureOf(importFer2013(pieces(zipped.subarray(0, zipped.length - 20)), options));
    expect(failure.failureClass).toBe('user');
    expect(failure.message).toContain('damaged gzip data');
  });

  it('passes on what the source itself throws, also behind gzip', async () => {
    for (const content of [csv(rows), gzipSync(csv(rows))]) {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield* pieces(content.slice(0, 500));
        throw new Error('store away');
      }
      await expect(importFer2013(broken(), options)).rejects.toThrow('store away');
    }
  });
});

describe('limits', () => {
  const many = csv(Array.from({ length: 6 }, (_, id) => ({ label: 1, id, usage: 'Training' as const })));

  it('takes as many images as allowed and refuses one more, with its line', async () => {
    const { summary } = await importFer2013(pieces(many), { ...options, limits: { images: 6 } });
    expect(summary.images).toBe(6);
    const failure = await failureOf(importFer2013(pieces(many), { ...options, limits: { images: 5 } }));
    expect(failure.failureClass).toBe('user');
    expect(failure.message).toContain('faces.csv:7: more than 5 images');
  });

  it('counts bytes after gunzip, and stops reading once there are too many', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, '\n'));
    let taken = 0;
    async function* source(): AsyncGenerator<Uint8Array> {
      for await (const piece of pieces(bomb, 1024)) {
        taken += piece.length;
        yield piece;
      }
    }
    const bytes = 4 * 1024 * 1024;
    const failure = await failureOf(importFer2013(source(), { ...options, limits: { bytes } }));
    expect(failure.failureClass).toBe('user');
    expect(failure.message).toContain(`more than ${bytes} bytes`);
    expect(taken).toBeLessThan(bomb.length);
    const { summary } = await importFer2013(pieces(gzipSync(many)), {
      ...options,
      limits: { bytes: many.length },
    });
    expect(summary.images).toBe(6);
  });

  it('lists so many bad rows and counts the rest', async () => {
    const text = [
      'emotion,pixels,Usage',
      `1,${picture(1)},Training`,
      ...Array<string>(9).fill('7,1,Training'),
    ];
    const limits = { listedBadRows: 4 };
    const failure = await failureOf(importFer2013(pieces(text.join('\n')), { ...options, limits }));
    expect(failure.message).toMatch(/^9 bad rows\./);
    expect(failure.message).toMatch(/and 5 more$/);
    expect(failure.details).toMatchObject({ unlisted: 5 });
    expect((failure.details['bad'] as { row: number }[]).map(({ row }) => row)).toEqual([3, 4, 5, 6]);
    const { summary } = await importFer2013(pieces(text.join('\n')), { ...options, limits, skipBad: true });
    expect([summary.images, summary.skipped.length, summary.skippedUnlisted]).toEqual([1, 4, 5]);
  });

  it('are wide enough for FER2013', () => {
    expect(importLimits.images).toBeGreaterThan(35_887);
    expect(importLimits.bytes).toBeGreaterThan(301_072_766);
  });
});

describe('openVersion', () => {
  it('refuses a file with any byte changed, cut or added', async () => {
    const { bytes } = await importFer2013(pieces(csv(rows)), options);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        // The summary in the header is guarded by the file's own content hash, not by the body's.
        if (at < 12 || at > bytes.length - 3 * (pixelsPerFace + 34))
          expect(() => openVersion(damaged)).toThrow(JobFailure);
        expect(() => openVersion(bytes.subarray(0, at))).toThrow(JobFailure);
      }),
    );
    expect(() => openVersion(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow('expected');
  });
});
