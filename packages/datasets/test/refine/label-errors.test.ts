import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { findLabelErrors } from '../../src/index.js';

interface Case {
  name: string;
  classes: number;
  labels: number[];
  probabilities: number[];
  present: number[];
  thresholds: number[];
  joint: number[];
  issues: number[];
  selfConfidence: number[];
  normalisedMargin: number[];
}
const cases = JSON.parse(
  readFileSync(new URL('../../fixtures/label-errors.json', import.meta.url), 'utf8'),
) as Case[];

describe("confident learning gives cleanlab's answer", () => {
  it.each(cases.map((each) => [each.name, each] as const))('%s', (_, each) => {
    const labels = Int32Array.from(each.labels);
    const found = findLabelErrors(labels, Float64Array.from(each.probabilities), each.classes);
    for (const cls of each.present)
      expect(found.thresholds[cls]).toBeCloseTo(each.thresholds[cls] ?? NaN, 12);
    expect([...found.flagged.keys()].filter((image) => found.flagged[image] === 1)).toEqual(each.issues);
    labels.forEach((__, image) => {
      expect(found.selfConfidence[image]).toBeCloseTo(each.selfConfidence[image] ?? NaN, 8);
      expect(found.normalisedMargin[image]).toBeCloseTo(each.normalisedMargin[image] ?? NaN, 8);
    });
  });

  it('covers answers with and without errors', () => {
    expect(cases.some(({ issues }) => issues.length === 0)).toBe(true);
    expect(cases.filter(({ issues }) => issues.length > 10).length).toBeGreaterThanOrEqual(3);
  });
});

describe('confident learning', () => {
  it('works out by hand: two classes, one image that is surely of the other', () => {
    const labels = Int32Array.of(0, 0, 0, 1, 1, 1);
    const probabilities = [0.9, 0.1, 0.8, 0.2, 0.05, 0.95, 0.1, 0.9, 0.2, 0.8, 0.3, 0.7];
    const found = findLabelErrors(labels, Float64Array.from(probabilities), 2);
    expect(found.thresholds[0]).toBeCloseTo((0.9 + 0.8 + 0.05) / 3, 12);
    expect(found.thresholds[1]).toBeCloseTo(0.8, 12);
    // Confident: 0 and 1 of class 0; 2, 3 and 4 of class 1. Row 0 holds 2 and 1, row 1 holds 0 and 2, scaled to 3.
    expect([...found.counts]).toEqual([2, 1, 0, 3]);
    expect([...found.flagged]).toEqual([0, 0, 1, 0, 0, 0]);
    expect([...found.guesses]).toEqual([0, 0, 1, 1, 1, 1]);
    expect(found.selfConfidence[2]).toBeCloseTo(0.05, 12);
    expect(found.normalisedMargin[2]).toBeCloseTo(0.05, 12);
  });

  it('refuses probabilities of another number of images', () => {
    expect(() => findLabelErrors(Int32Array.of(0, 1), new Float32Array(3), 2)).toThrow('expected 2 * 2');
  });
});
