import { expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { assertNoLeak, importFer2013, openVersion, split } from '../src/index.js';
import { describeWith, fer2013File } from '../../../test/support/services.js';
import { options, pinned } from './support.js';

describeWith('fer2013-data', 'real FER2013', () => {
  it('imports with the known counts, splits without a leak, and comes out the same twice', async () => {
    const read = () => importFer2013(createReadStream(fer2013File()), options);
    const { bytes, summary } = await read();
    expect(summary).toMatchObject({
      format: 'fer2013-csv',
      images: 32_137,
      usages: { Training: 28_558, PublicTest: 3_579 },
      duplicateClusters: 1_270,
      redundantCopies: 1_519,
      conflictClusters: 46,
      skipped: [],
      defaultProtocol: 'carved',
    });
    expect(Object.keys(summary.protocols)).toEqual(['carved']);

    const version = openVersion(bytes);
    const inTraining = new Set(version.clusters.filter((_, image) => version.usages[image] === 0));
    const copied = version.clusters.filter(
      (cluster, image) => version.usages[image] === 1 && inTraining.has(cluster),
    );
    expect(copied.length).toBe(279);

    const parts = split(version, pinned('carved'));
    expect(parts.leakRemoved).toBe(340);
    expect(parts.validation.count).toBe(3_570);
    expect(parts.train.count).toBe(28_558 - 340 - 3_570);
    expect(parts.test.count).toBe(3_579);
    expect(() => split(version, pinned('official'))).toThrow('needs rows of');
    assertNoLeak(parts.train, { validation: parts.validation, test: parts.test });
    assertNoLeak(parts.validation, { test: parts.test });

    const digest = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
    expect(digest((await read()).bytes)).toBe(digest(bytes));
  }, 120_000);
});
