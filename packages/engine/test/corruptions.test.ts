import { corruptionKinds, severities, type CorruptionKind, type Severity } from '@ferment/contracts';
import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { corrupt, type Picture } from '../src/corruptions/index.js';
import { patternImages } from './support/pattern-images.js';

interface Fixture {
  size: number;
  pictures: Record<
    string,
    { channels: number; pixels: string; corrupted: Partial<Record<CorruptionKind, string[]>> }
  >;
}

const fixture = JSON.parse(
  readFileSync(join(import.meta.dirname, '../fixtures/corruptions.json'), 'utf8'),
) as Fixture;
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

const size = 48;
const { pixels } = patternImages(1, size, 5);
const picture: Picture = { pixels, size, channels: 1 };
const place = { seed: 4, place: 17 };

function difference(a: Uint8Array, b: Uint8Array): number[] {
  return Array.from(a, (value, at) => value - (b[at] ?? Number.NaN));
}
const meanOf = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const distance = (a: Uint8Array, b: Uint8Array) => meanOf(difference(a, b).map(Math.abs));

describe.each(Object.entries(fixture.pictures))('the %s picture of the fixture', (_, given) => {
  const original = { pixels: bytes(given.pixels), size: fixture.size, channels: given.channels };
  const cases = Object.entries(given.corrupted).flatMap(([kind, results]) =>
    results.map((expected, index) => ({ kind: kind as CorruptionKind, severity: index + 1, expected })),
  );

  it.each(cases)('is that of CIFAR-10-C under $kind $severity', ({ kind, severity, expected }) => {
    const found = corrupt(original, kind, severity as Severity, place);
    const differences = difference(found, bytes(expected)).map(Math.abs);
    // Cutting off to whole pixels turns a last bit of a sum into one step, here and there.
    expect(Math.max(...differences)).toBeLessThanOrEqual(kind === 'pixelate' ? 0 : 1);
    expect(meanOf(differences)).toBeLessThan(0.02);
  });
});

describe.each(corruptionKinds)('%s', (kind) => {
  const at = (severity: Severity, where = place) => corrupt(picture, kind, severity, where);

  it('gives a picture of the same shape and leaves the original alone', () => {
    const before = picture.pixels.slice();
    expect(at(3)).toHaveLength(size * size);
    expect(picture.pixels).toEqual(before);
  });

  it('moves the picture further with every severity', () => {
    const distances = severities.map((severity) => distance(at(severity), pixels));
    const sorted = distances.toSorted((a, b) => a - b);
    expect(distances).toEqual(sorted);
    expect(distances[0]).toBeGreaterThan(0);
    expect(new Set(distances).size).toBe(5);
  });

  it('is the same for the same seed and place', () => {
    expect(at(2)).toEqual(at(2));
  });
});

describe('gaussian-noise', () => {
  const grey: Picture = { pixels: new Uint8Array(size * size).fill(128), size, channels: 1 };
  const noisy = (severity: Severity, where = place) => corrupt(grey, 'gaussian-noise', severity, where);

  it.each([0.04, 0.06, 0.08, 0.09, 0.1])('has the standard deviation %d', (deviation) => {
    const severity = ([0.04, 0.06, 0.08, 0.09, 0.1].indexOf(deviation) + 1) as Severity;
    const values = Array.from(noisy(severity), (pixel) => pixel / 255);
    const mean = meanOf(values);
    const found = Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2)));
    // 2304 values: the estimate's own standard error is 1.5 %; cutting off takes half a step from the mean.
    expect(found / deviation).toBeGreaterThan(0.94);
    expect(found / deviation).toBeLessThan(1.06);
    expect(Math.abs(mean - 127.5 / 255)).toBeLessThan((4 * deviation) / size);
  });

  it('differs by seed, place and severity', () => {
    const sets = [noisy(1), noisy(2), noisy(1, { seed: 5, place: 17 }), noisy(1, { seed: 4, place: 18 })];
    expect(new Set(sets.map(String)).size).toBe(4);
  });
});
