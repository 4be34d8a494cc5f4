import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { importFer2013, openVersion, split, syntheticFaces, syntheticLedger } from '../src/index.js';
import { options, pieces, pinned } from './support.js';

const small = { train: 300, publicTest: 60, privateTest: 60, seed: 5 };
const text = [...syntheticFaces(small)].join('');
const ledger = syntheticLedger(small);
const digest = (content: string): string => createHash('sha256').update(content).digest('hex');

describe('synthetic faces', () => {
  it('are FER2013 csv that allows both protocols', async () => {
    const { summary } = await importFer2013(pieces(text, 65536), { ...options, synthetic: true });
    expect(summary).toMatchObject({
      format: 'fer2013-csv',
      synthetic: true,
      usages: { Training: 300, PublicTest: 60, PrivateTest: 60 },
      defaultProtocol: 'official',
      skipped: [],
    });
    expect(Object.keys(summary.protocols).sort()).toEqual(['carved', 'official']);
  });

  it('are the same for the same seed, others for another', () => {
    expect(digest([...syntheticFaces(small)].join(''))).toBe(digest(text));
    expect(digest([...syntheticFaces({ ...small, seed: 6 })].join(''))).not.toBe(digest(text));
  });

  it('hold exactly the duplicates that the ledger names, and the leak rule takes those that cross splits', async () => {
    const version = openVersion((await importFer2013(pieces(text, 65536), options)).bytes);
    const duplicates = ledger.filter((planted) => planted.kind === 'duplicate');
    expect(duplicates.length).toBeGreaterThanOrEqual(8);
    expect(version.summary.redundantCopies).toBe(duplicates.length);
    for (const { row, of } of duplicates) expect(version.clusters[row - 2]).toBe(version.clusters[of - 2]);
    const crossing = duplicates.filter(({ of }) => of - 2 >= small.train);
    expect(crossing.length).toBeGreaterThan(0);
    expect(split(version, pinned('official')).leakRemoved).toBe(crossing.length);
  });

  it('name their wrong labels and their pictures without a face', () => {
    const lines = text.split('\n');
    const labelAt = (row: number): number => Number(lines[row - 1]?.split(',')[0]);
    const errors = ledger.filter((planted) => planted.kind === 'labelError');
    const faceless = ledger.filter((planted) => planted.kind === 'nonFace');
    expect([errors.length, faceless.length]).toEqual([12, 1]);
    for (const { row, trueLabel, givenLabel } of errors) {
      expect(labelAt(row)).toBe(givenLabel);
      expect(givenLabel).not.toBe(trueLabel);
    }
    expect(ledger.every(({ row }) => lines[row - 1]?.endsWith('Training'))).toBe(true);
    expect(new Set(ledger.map(({ row }) => row)).size).toBe(ledger.length);
  });
});
