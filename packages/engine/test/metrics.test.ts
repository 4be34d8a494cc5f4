import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { splitMetrics } from '@ferment/contracts';
import { classF1, expectedCalibrationError, scoreLogits } from '@ferment/statistics';

interface Reference {
  name: string;
  classes: number;
  logits: number[];
  labels: number[];
  accuracy: number;
  macroF1: number;
  f1: number[];
  confusion: number[][];
  nll: number;
  ece: number;
}

const references = JSON.parse(
  readFileSync(new URL('../fixtures/metrics.json', import.meta.url), 'utf8'),
) as Reference[];

/** Logits whose softmax is the given probabilities. */
const logarithms = (rows: number[][]): Float32Array => Float32Array.from(rows.flat().map(Math.log));

describe('scoreLogits', () => {
  it('gives the hand-computed scores of four images', () => {
    // Predictions 0, 1, 0, 2 for labels 0, 1, 1, 2: three right.
    const logits = logarithms([
      [0.7, 0.2, 0.1],
      [0.25, 0.5, 0.25],
      [0.6, 0.3, 0.1],
      [0.05, 0.05, 0.9],
    ]);
    const scores = scoreLogits(logits, Int32Array.of(0, 1, 1, 2), 3);
    expect(scores.images).toBe(4);
    expect(scores.accuracy).toBe(0.75);
    expect(scores.confusion).toEqual([
      [1, 0, 0],
      [1, 1, 0],
      [0, 0, 1],
    ]);
    expect(scores.f1).toEqual([2 / 3, 2 / 3, 1]);
    expect(scores.macroF1).toBeCloseTo(7 / 9, 12);
    expect(scores.nll).toBeCloseTo(-(Math.log(0.7) + Math.log(0.5) + Math.log(0.3) + Math.log(0.9)) / 4, 6);
    // Each confidence has a bin of its own: gaps 0.3, 0.5, 0.6, 0.1.
    expect(scores.ece).toBeCloseTo(1.5 / 4, 6);
  });

  it.each(references)('agrees with scikit-learn and the reference ECE: $name', (reference) => {
    const scores = scoreLogits(
      Float32Array.from(reference.logits),
      Int32Array.from(reference.labels),
      reference.classes,
    );
    expect(splitMetrics.parse(scores)).toEqual(scores);
    expect(scores.confusion).toEqual(reference.confusion);
    expect(scores.accuracy).toBeCloseTo(reference.accuracy, 12);
    expect(scores.macroF1).toBeCloseTo(reference.macroF1, 12);
    scores.f1.forEach((f1, label) => expect(f1).toBeCloseTo(reference.f1[label] ?? NaN, 12));
    expect(scores.nll).toBeCloseTo(reference.nll, 6);
    expect(scores.ece).toBeCloseTo(reference.ece, 6);
  });

  it('stays finite where a softmax would overflow', () => {
    const scores = scoreLogits(Float32Array.of(1000, -1000, 1000, -1000), Int32Array.of(0, 1), 2);
    expect(scores.nll).toBe(1000);
    expect(scores.ece).toBe(0.5);
  });

  it('predicts the lowest class among equal logits', () => {
    expect(scoreLogits(new Float32Array(3), Int32Array.of(0), 3).accuracy).toBe(1);
  });

  it.each<[string, Float32Array, Int32Array, RegExp]>([
    ['no images', new Float32Array(0), new Int32Array(0), /at least one image/],
    ['too few logits', new Float32Array(3), Int32Array.of(0, 1), /expected 2 x 2 = 4 logits, got 3/],
    ['a label out of range', new Float32Array(2), Int32Array.of(2), /label 2 of image 0/],
    ['a negative label', new Float32Array(2), Int32Array.of(-1), /label -1 of image 0/],
    ['a logit that is not a number', Float32Array.of(0, NaN), Int32Array.of(0), /logit 1 of image 0 is NaN/],
  ])('refuses %s', (_, logits, labels, message) => {
    expect(() => scoreLogits(logits, labels, 2)).toThrow(message);
  });
});

describe('expectedCalibrationError', () => {
  it('puts a confidence on a boundary into the lower bin', () => {
    // (0, 0.5] holds 0.5 and 0.25, so their gaps +0.5 and -0.25 cancel in part; with [lo, hi) they would not.
    expect(expectedCalibrationError([0.5, 0.25], [true, false], 2)).toBe(0.125);
  });

  it('is zero where confidence is accuracy', () => {
    expect(expectedCalibrationError([0.5, 0.5], [true, false])).toBe(0);
    expect(expectedCalibrationError([1, 1], [true, true])).toBe(0);
  });
});

describe('classF1', () => {
  it('is 0 for a class that is never predicted and for one that never occurs', () => {
    expect(
      classF1([
        [4, 0, 0],
        [2, 0, 0],
        [0, 0, 0],
      ]),
    ).toEqual([0.8, 0, 0]);
  });
});
