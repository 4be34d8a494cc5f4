import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { foldsOf, pictureQuality, type DatasetVersion } from '../../src/index.js';
import { csv, versionOf, type Row } from '../support.js';

describe('picture quality', () => {
  const size = 8;
  const flat = new Uint8Array(64).fill(100);
  const checks = Uint8Array.from({ length: 64 }, (_, at) => (((at >> 3) + at) % 2 === 0 ? 90 : 110));
  const ramp = Uint8Array.from({ length: 64 }, (_, at) => 10 * (at % 8));

  it('scores pictures whose answer is known', () => {
    const { contrast, sharpness, exposure } = pictureQuality(
      Uint8Array.from([...flat, ...checks, ...ramp]),
      size,
    );
    expect([contrast[0], sharpness[0], exposure[0]]).toEqual([0, 0, 0]);
    // Every neighbour differs by 20: the Laplacian is +80 or -80.
    expect([contrast[1], sharpness[1]]).toEqual([10, 6400]);
    // A ramp has no second derivative; two of its eight greys (0 and 10) are among the darkest sixteenth.
    expect([sharpness[2], exposure[2]]).toEqual([0, 0.25]);
    expect(contrast[2]).toBeCloseTo(10 * Math.sqrt(63 / 12), 9);
  });

  it('takes the fuller end of the greys', () => {
    const white = Uint8Array.from({ length: 64 }, (_, at) => (at < 48 ? 255 : at < 56 ? 0 : 100));
    expect(pictureQuality(white, size).exposure[0]).toBe(0.75);
  });
});

describe('folds', () => {
  const all = (version: DatasetVersion) => Int32Array.from({ length: version.count }, (_, image) => image);
  const rows: Row[] = Array.from({ length: 140 }, (_, index) => ({
    label: index % 7,
    // Every tenth picture is a copy of the one before.
    id: index % 10 === 9 ? index - 1 : index,
    usage: 'Training',
  }));

  it('are stratified, of equal size, and keep copies together', async () => {
    const version = await versionOf(csv(rows));
    const folds = foldsOf(version, all(version), 5);
    for (let fold = 0; fold < 5; fold++) {
      const own = [...folds.keys()].filter((at) => folds[at] === fold);
      expect(Math.abs(own.length - 28)).toBeLessThanOrEqual(2);
      for (let label = 0; label < 7; label++) {
        const count = own.filter((at) => version.labels[at] === label).length;
        expect(Math.abs(count - 4)).toBeLessThanOrEqual(1);
      }
    }
    version.clusters.forEach((cluster, image) => expect(folds[image]).toBe(folds[cluster]));
  });

  it('depend on the pictures only, not on the order of the rows', async () => {
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray(rows, { minLength: 140, maxLength: 140 }), async (shuffled) => {
        const byPicture = async (ordered: Row[]) => {
          const version = await versionOf(csv(ordered));
          const folds = foldsOf(version, all(version), 4);
          return new Map(ordered.map(({ id }, image) => [id, folds[image]]));
        };
        const [plain, other] = [await byPicture(rows), await byPicture(shuffled)];
        for (const [id, fold] of plain) expect(other.get(id)).toBe(fold);
      }),
      { numRuns: 5 },
    );
  });

  it("divide only the images asked for, by groups of one's own where they are given", async () => {
    const version = await versionOf(csv(rows));
    const images = all(version).filter((image) => image % 2 === 0);
    const groups = Int32Array.from({ length: version.count }, (_, image) => Math.floor(image / 8));
    const folds = foldsOf(version, images, 3, groups);
    expect(folds.length).toBe(images.length);
    images.forEach((image, at) => {
      const first = images.findIndex((other) => groups[other] === groups[image]);
      expect(folds[at]).toBe(folds[first]);
    });
  });

  it('refuse more folds than there are different pictures', async () => {
    const version = await versionOf(csv([1, 1, 1, 2].map((id) => ({ label: 0, id, usage: 'Training' }))));
    expect(() => foldsOf(version, all(version), 3)).toThrow('2 groups of copies cannot make 3 folds');
  });
});
