import { describe, expect, it } from '@jest/globals';
import { estimatedTime, plan, speedOf } from '../src/index.js';
import { known, resolved, specText } from './support.js';

/** Multiply-accumulates, images and seconds of the trainings of examples/quickstart.yaml on two cores, two at a time. */
const quickstart = [
  [3783234293760, 25216, 203.3],
  [712281604096, 25216, 52.5],
  [183829618688, 25216, 21.9],
  [183829618688, 25216, 21.5],
  [183829618688, 25216, 23.3],
  [1613087907840, 25216, 77.5],
  [1613087907840, 25216, 80.0],
  [1613087907840, 25216, 70.4],
] as const;

describe('the speed of an installation', () => {
  it('tells what an image takes from what a multiply-accumulate takes', () => {
    const training = (macs: number, images: number) => ({
      macs,
      images,
      seconds: 5e-11 * macs + 6e-4 * images,
    });
    const speed = speedOf([training(4e12, 7e4), training(2e11, 7e4), training(7e11, 4e4)]);
    expect(speed?.perMac).toBeCloseTo(5e-11, 15);
    expect(speed?.perImage).toBeCloseTo(6e-4, 8);
    expect(speed?.error).toBeCloseTo(0, 8);
  });

  it('is by multiply-accumulates alone where all trainings are alike, and nothing where there are none', () => {
    const alike = { macs: 1e12, images: 1e5, seconds: 50 };
    expect(speedOf([alike, alike])).toEqual({ perMac: 5e-11, perImage: 0, error: 0 });
    expect(speedOf([])).toBeNull();
    expect(speedOf([{ macs: 0, images: 10, seconds: 5 }])).toBeNull();
  });

  it('has no part below zero', () => {
    const speed = speedOf([
      { macs: 1e12, images: 1e6, seconds: 10 },
      { macs: 2e12, images: 1e5, seconds: 40 },
    ]);
    expect(speed?.perMac).toBeGreaterThan(0);
    expect(speed?.perImage).toBeGreaterThanOrEqual(0);
    expect(speed?.error).toBeGreaterThan(0);
  });

  it('is nearer to what a quickstart took on two cores than multiply-accumulates alone', () => {
    // Its trainings as an installation of two slots had done them: macs, images, seconds.
    const past = quickstart.map(([macs, images, seconds]) => ({ macs, images, seconds }));
    const speed = speedOf(past);
    if (!speed) throw new Error('there are trainings');
    const rate =
      past.reduce((sum, { seconds }) => sum + seconds, 0) / past.reduce((sum, { macs }) => sum + macs, 0);
    for (const { macs, images, seconds } of past) {
      const predicted = speed.perMac * macs + speed.perImage * images;
      expect(Math.abs(predicted / seconds - 1)).toBeLessThan(0.25);
      // The smallest network's seemed done in less than half of its time.
      if (macs < 2e11) expect((rate * macs) / seconds).toBeLessThan(0.5);
    }
  });
});

describe('the time that a plan takes', () => {
  const made = plan(resolved(specText()), known);
  const speed = { perMac: 1e-11, perImage: 0, error: 0 };
  const all = new Set(made.jobs.map(({ key }) => key));
  const total = made.jobs.reduce((sum, { cost }) => sum + (cost?.macs ?? 0) * 1e-11, 0);

  it('is all of it, one after the other, on one slot', () => {
    const { from, to } = estimatedTime(made, all, speed, 1);
    expect(from).toBeCloseTo(total);
    expect(to).toBeCloseTo(total);
  });

  it('is a range on several, less than that, and wider by the error of the speed', () => {
    const two = estimatedTime(made, all, speed, 2);
    expect(two.from).toBeGreaterThanOrEqual(total / 2 - 1e-9);
    expect(two.to).toBeGreaterThanOrEqual(two.from);
    expect(two.to).toBeLessThanOrEqual(total + 1e-9);
    const unsure = estimatedTime(made, all, { ...speed, error: 0.1 }, 2);
    expect(unsure.from).toBeCloseTo(0.9 * two.from);
    expect(unsure.to).toBeCloseTo(1.1 * two.to);
    expect(estimatedTime(made, new Set(), speed, 2)).toEqual({ from: 0, to: 0 });
  });
});
