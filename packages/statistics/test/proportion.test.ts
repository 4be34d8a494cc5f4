import { describe, expect, it } from '@jest/globals';
import { reliabilityOf, scoreLogits, wilsonInterval } from '../src/index.js';

describe('wilsonInterval', () => {
  it.each([
    // Newcombe (Statistics in Medicine, 1998), table I, method 3
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %d in %d is what Newcombe gives', (hits, images, low, high) => {
    const interval = wilsonInterval(hits, images);
    expect(interval.low).toBeCloseTo(low, 4);
    expect(interval.high).toBeCloseTo(high, 4);
  });

  it('is refused without images', () => {
    expect(() => wilsonInterval(0, 0)).toThrow(/at least one image/);
  });
});

describe('reliabilityOf', () => {
  it('agrees with the scores of the same logits, whatever they are', () => {
    // A fixed stretch of a linear congruential generator.
    let state = 7;
    const next = () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
    const logits = Float32Array.from({ length: 7 * 500 }, () => 8 * next() - 4);
    const labels = Int32Array.from({ length: 500 }, () => Math.floor(7 * next()));
    const scores = scoreLogits(logits, labels, 7);
    const { ece, accuracy, images, bins, confidence } = reliabilityOf(logits, labels, 7);
    expect([ece, accuracy, images]).toEqual([scores.ece, scores.accuracy, 500]);
    expect(bins.reduce((sum, bin) => sum + bin.images, 0)).toBe(500);
    const weighed = bins.map(
      (bin) => (bin.images / 500) * Math.abs((bin.accuracy ?? 0) - (bin.confidence ?? 0)),
    );
    expect(weighed.reduce((sum, gap) => sum + gap, 0)).toBeCloseTo(ece, 12);
    const sure = bins.reduce((sum, bin) => sum + bin.images * (bin.confidence ?? 0), 0);
    expect(sure / 500).toBeCloseTo(confidence, 12);
    for (const bin of bins) {
      if (bin.confidence === null) continue;
      expect(bin.confidence).toBeGreaterThan(bin.low);
      expect(bin.confidence).toBeLessThanOrEqual(bin.high);
    }
  });
});
