import { describe, expect, it } from '@jest/globals';
import { JobFailure } from '@ferment/contracts';
import fc from 'fast-check';
import { assertNoLeak, firstOfEqual, split, type DatasetVersion, type Split } from '../src/index.js';
import { csv, pinned, pixelsPerFace, versionOf, type Row } from './support.js';

const splitNames = ['train', 'validation', 'test'] as const;

/** `each` distinct pictures of every class in every named usage. */
function balanced(
  each: number,
  usages: readonly Row['usage'][] = ['Training', 'PublicTest', 'PrivateTest'],
): Row[] {
  return usages.flatMap((usage, part) =>
    Array.from({ length: 7 * each }, (_, index) => ({ label: index % 7, id: 10_000 * part + index, usage })),
  );
}

function clustersIn(version: DatasetVersion, images: Int32Array): Set<number> {
  return new Set(Array.from(images, (image) => version.clusters[image] as number));
}

function classCounts(set: Split['train']): number[] {
  return Array.from({ length: 7 }, (_, label) => set.labels.filter((each) => each === label).length);
}

const anyRows = fc.array(
  fc.record({
    label: fc.nat(6),
    id: fc.nat(60),
    usage: fc.constantFrom<Row['usage']>('Training', 'Training', 'PublicTest', 'PrivateTest'),
  }),
  { minLength: 1, maxLength: 60 },
);

describe('protocols', () => {
  it('official: validation is PublicTest, test is PrivateTest, copies leave training and are counted', async () => {
    const rows = balanced(2);
    rows.push({ label: 0, id: 10_000, usage: 'Training' }, { label: 5, id: 20_000, usage: 'Training' });
    const version = await versionOf(csv(rows));
    const parts = split(version, pinned('official'));
    expect([parts.train.count, parts.validation.count, parts.test.count, parts.leakRemoved]).toEqual([
      14, 14, 14, 2,
    ]);
    expect([...parts.test.indices]).toEqual(Array.from({ length: 14 }, (_, index) => 28 + index));
    expect(version.summary.defaultProtocol).toBe('official');
    expect(version.summary.protocols.official).toEqual({
      counts: { train: Array(7).fill(2), validation: Array(7).fill(2), test: Array(7).fill(2) },
      leakRemoved: 2,
    });
  });

  it('carved: validation is 12.5 % of each class of Training, test is PublicTest', async () => {
    const version = await versionOf(csv(balanced(16, ['Training', 'PublicTest'])));
    const parts = split(version, pinned('carved'));
    expect(classCounts(parts.train)).toEqual(Array(7).fill(14));
    expect(classCounts(parts.validation)).toEqual(Array(7).fill(2));
    expect(classCounts(parts.test)).toEqual(Array(7).fill(16));
    expect(version.summary.defaultProtocol).toBe('carved');
  });

  it('carved: draws the same pictures whatever the order of the rows', async () => {
    const rows = balanced(8, ['Training', 'PublicTest']);
    const pictures = async (ordered: Row[]): Promise<string[]> => {
      const { validation } = split(await versionOf(csv(ordered)), pinned('carved'));
      return Array.from({ length: validation.count }, (_, image) =>
        validation.pixels.subarray(image * pixelsPerFace, (image + 1) * pixelsPerFace).join(' '),
      ).sort();
    };
    expect(await pictures([...rows].reverse())).toEqual(await pictures(rows));
  });

  it('refuses official where PrivateTest is absent, and any protocol where PublicTest is', async () => {
    const version = await versionOf(csv(balanced(1, ['Training', 'PublicTest'])));
    expect(() => split(version, pinned('official'))).toThrow(
      'needs rows of Training, PublicTest and PrivateTest. Use protocol "carved".',
    );
    expect(version.summary.protocols).not.toHaveProperty('official');
    const bare = await versionOf(csv(balanced(1, ['Training'])));
    expect(() => split(bare, pinned('carved'))).toThrow(JobFailure);
  });

  it.each(['official', 'carved'] as const)(
    '%s: no picture of validation or test is ever in training',
    async (protocol) => {
      await fc.assert(
        fc.asyncProperty(anyRows, async (some) => {
          const rows = [...some, ...balanced(8)];
          const version = await versionOf(csv(rows));
          const parts = split(version, pinned(protocol));
          const train = clustersIn(version, parts.train.indices);
          for (const name of ['validation', 'test'] as const) {
            for (const cluster of clustersIn(version, parts[name].indices))
              expect(train.has(cluster)).toBe(false);
          }
          expect(() =>
            assertNoLeak(parts.train, { validation: parts.validation, test: parts.test }),
          ).not.toThrow();
          if (protocol === 'carved') {
            const test = clustersIn(version, parts.test.indices);
            for (const cluster of clustersIn(version, parts.validation.indices))
              expect(test.has(cluster)).toBe(false);
            const training = rows.filter(({ usage }) => usage === 'Training').length;
            expect(parts.train.count + parts.validation.count + parts.leakRemoved).toBe(training);
          }
        }),
        { numRuns: 12 },
      );
    },
  );
});

describe('what a split holds', () => {
  it('keeps class proportions in a subset, at least one of each class, the same by seed', async () => {
    const rows = balanced(16).filter(({ label }, index) => label !== 1 || index < 20);
    const version = await versionOf(csv(rows));
    const subset = { train: 40, validation: 7, test: 10_000, seed: 3 };
    const parts = split(version, pinned('official', { subset }));
    expect([parts.train.count, parts.validation.count]).toEqual([40, 7]);
    expect(parts.test.count).toBe(split(version, pinned('official')).test.count);
    expect(Math.min(...classCounts(parts.train))).toBeGreaterThanOrEqual(1);
    expect(Math.max(...classCounts(parts.train)) - Math.min(...classCounts(parts.train))).toBeLessThanOrEqual(
      6,
    );
    expect(split(version, pinned('official', { subset })).train.indices).toEqual(parts.train.indices);
    const other = split(version, pinned('official', { subset: { ...subset, seed: 4 } }));
    expect(other.train.indices).not.toEqual(parts.train.indices);
  });

  it('states mean and standard deviation of the training pixels in units of x / 255', async () => {
    const flat = (value: number): string => Array(pixelsPerFace).fill(value).join(' ');
    const half = `${Array(pixelsPerFace / 2)
      .fill(0)
      .join(' ')} ${Array(pixelsPerFace / 2)
      .fill(255)
      .join(' ')}`;
    const version = await versionOf(
      `emotion,pixels,Usage\n0,${half},Training\n1,${flat(9)},PublicTest\n2,${flat(8)},PrivateTest\n`,
    );
    const parts = split(version, pinned('official'));
    expect([parts.mean, parts.std]).toEqual([0.5, 0.5]);
  });

  it('resizes bilinearly and repeats grey for three channels', async () => {
    const ramp = Array.from({ length: pixelsPerFace }, (_, pixel) => 5 * (pixel % 48)).join(' ');
    const version = await versionOf(
      `emotion,pixels,Usage\n0,${ramp},Training\n1,${ramp.replace('0', '1')},PublicTest\n2,${ramp.replace('0', '2')},PrivateTest\n`,
    );
    const { train } = split(version, pinned('official', { preprocess: { size: 96, channels: 3 } }));
    expect(train.pixels.length).toBe(96 * 96 * 3);
    // Pixel centres at half integers: target x looks at (x + .5) / 2 - .5 of the source, clamped at the border.
    for (const [x, expected] of [
      [0, 0],
      [1, 1],
      [2, 4],
      [47, 116],
      [95, 235],
    ] as const) {
      expect([...train.pixels.subarray((50 * 96 + x) * 3, (50 * 96 + x) * 3 + 3)]).toEqual([
        expected,
        expected,
        expected,
      ]);
    }
    const small = split(version, pinned('official', { preprocess: { size: 24, channels: 1 } })).train;
    expect(small.pixels[24 * 10 + 12]).toBe(Math.round(5 * 24.5));
  });

  it('names every leaked pair at run time', async () => {
    const version = await versionOf(csv(balanced(2)));
    const parts = split(version, pinned('official'));
    const leaking = { ...parts.test, pixels: Uint8Array.from(parts.test.pixels) };
    leaking.pixels.set(parts.train.pixels.subarray(3 * pixelsPerFace, 4 * pixelsPerFace), pixelsPerFace);
    expect(() => assertNoLeak(parts.train, { validation: parts.validation, test: leaking })).toThrow(
      'leak: 1 exact copies of held-out images in the training split (training image 3 = test image 29)',
    );
    try {
      assertNoLeak(parts.train, { test: leaking });
    } catch (error) {
      expect(error).toMatchObject({
        failureClass: 'user',
        details: { pairs: [{ train: 3, split: 'test', image: 29 }] },
      });
    }
  });

  it('fails where a split comes out empty', async () => {
    const rows: Row[] = [
      { label: 0, id: 1, usage: 'Training' },
      { label: 0, id: 2, usage: 'PublicTest' },
    ];
    const version = await versionOf(csv(rows));
    expect(() => split(version, pinned('carved'))).toThrow('leaves no validation image');
  });

  it('carries labels and indices of the version', async () => {
    const version = await versionOf(csv(balanced(8)));
    const parts = split(version, pinned('carved'));
    for (const name of splitNames) {
      expect(parts[name].labels).toEqual(
        Int32Array.from(parts[name].indices, (image) => version.labels[image] ?? -9),
      );
    }
  });
});

describe('firstOfEqual', () => {
  it('keeps the first of exactly equal pictures, whatever their labels, and all that stand alone', async () => {
    const copies: Row[] = [
      { label: 1, id: 10_000, usage: 'PublicTest' },
      { label: 6, id: 10_003, usage: 'PublicTest' },
      { label: 6, id: 10_003, usage: 'PublicTest' },
    ];
    const version = await versionOf(csv([...balanced(8, ['Training', 'PublicTest']), ...copies]));
    const { test } = split(version, pinned('carved'));
    expect(test.count).toBe(59);
    expect([...firstOfEqual(test)]).toEqual(Array.from({ length: 56 }, (_, image) => image));
  });
});
