import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { calibrationOf, fitFusion, fitTemperature, fuseLogits } from '../src/fit/index.js';

interface Fixture {
  fit: {
    labels: number[];
    logits: number[][];
    temperatures: number[];
    fusion: { weights: number[]; nll: number };
    fusionCalibrated: { weights: number[]; nll: number };
    calibration: { brier: number; adaptiveEce: number; ece: number; debiasedEce: number; nll: number }[];
  };
}
const { fit } = JSON.parse(
  readFileSync(new URL('../fixtures/distillation.json', import.meta.url), 'utf8'),
) as Fixture;
const { labels } = fit;
const sets = fit.logits.map((logits) => ({ logits, labels }));

describe('temperature scaling', () => {
  it.each([0, 1, 2])('finds the temperature of network %d that scipy finds', (network) => {
    const set = sets[network] ?? { logits: [], labels };
    const found = fitTemperature(set);
    expect(found.fitted).toBe(true);
    expect(Math.abs(found.temperature / (fit.temperatures[network] ?? 0) - 1)).toBeLessThan(1e-6);
    expect(found.nllBefore).toBeCloseTo(fit.calibration[network]?.nll ?? 0, 10);
    // Lower than at its neighbours: a minimum, not any point.
    for (const factor of [0.99, 1.01]) {
      const near = calibrationOf(set, found.temperature * factor).nll;
      expect(found.nllAfter).toBeLessThan(near);
    }
  });

  it('takes out any factor of the logits, far from 1 too', () => {
    const set = sets[0] ?? { logits: [], labels };
    const { temperature } = fitTemperature(set);
    for (const factor of [1e-4, 1e4]) {
      const scaled = { logits: set.logits.map((logit) => logit * factor), labels };
      expect(Math.abs(fitTemperature(scaled).temperature / (temperature * factor) - 1)).toBeLessThan(1e-9);
    }
  });

  it('changes nothing where no temperature is best', () => {
    const right = { logits: [3, 0, 0, 0, 2, 1], labels: [0, 1] };
    const wrong = { logits: [0, 3, 0, 2, 0, 1], labels: [0, 1] };
    for (const set of [right, wrong]) {
      const found = fitTemperature(set);
      expect(found).toMatchObject({ temperature: 1, fitted: false, nllAfter: found.nllBefore });
    }
  });
});

describe('fusion weights', () => {
  it('are what scipy finds, also where a network gets none', () => {
    const found = fitFusion(fit.logits, labels);
    expect(found.nll).toBeLessThanOrEqual(fit.fusion.nll + 1e-9);
    found.weights.forEach((weight, k) => expect(weight).toBeCloseTo(fit.fusion.weights[k] ?? 1, 4));
    expect(found.weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    expect(found.nll).toBeLessThanOrEqual(Math.min(...found.nllOfEach, found.nllOfMean));
  });

  it('are fitted at the temperatures that are given', () => {
    const found = fitFusion(fit.logits, labels, fit.temperatures);
    expect(found.nll).toBeLessThanOrEqual(fit.fusionCalibrated.nll + 1e-9);
    found.weights.forEach((weight, k) => expect(weight).toBeCloseTo(fit.fusionCalibrated.weights[k] ?? 1, 4));
    const fused = fuseLogits(fit.logits, found);
    expect(calibrationOf({ logits: fused, labels }).nll).toBeCloseTo(found.nll, 6);
  });

  it('of one network, of equal networks, and twice the same', () => {
    const [first = []] = fit.logits;
    expect(fitFusion([first], labels).weights).toEqual([1]);
    fitFusion([first, first], labels).weights.forEach((weight) => expect(weight).toBeCloseTo(0.5, 12));
    expect(fitFusion(fit.logits, labels)).toEqual(fitFusion(fit.logits, labels));
  });

  it('refuse networks of other images', () => {
    expect(() => fitFusion([[1, 2, 3]], [0, 1])).toThrow(RangeError);
  });
});

describe('calibration', () => {
  it.each([0, 1, 2])('of network %d agrees with the reference', (network) => {
    const expected = fit.calibration[network];
    const found = calibrationOf(sets[network] ?? { logits: [], labels });
    for (const measure of ['nll', 'ece', 'adaptiveEce', 'brier'] as const)
      expect(found[measure]).toBeCloseTo(expected?.[measure] ?? Number.NaN, 10);
    // The reference resamples: four digits.
    expect(found.debiasedEce).toBeCloseTo(expected?.debiasedEce ?? Number.NaN, 3);
    expect(found.debiasedEce).toBeLessThan(found.ece);
  });

  it('gets better by the fitted temperature', () => {
    const set = sets[0] ?? { logits: [], labels };
    const after = calibrationOf(set, fitTemperature(set).temperature);
    expect(after.ece).toBeLessThan(calibrationOf(set).ece / 2);
  });
});
