import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  alignment,
  alignmentTemplate,
  applySimilarity,
  fitSimilarity,
  fivePoints,
  invertSimilarity,
  scaleAndAngle,
  warpPicture,
  type Point,
  type Similarity,
} from '../src/index.js';

const turned = (degrees: number, scale: number, x0: number, y0: number): Similarity => ({
  a: scale * Math.cos((degrees * Math.PI) / 180),
  b: scale * Math.sin((degrees * Math.PI) / 180),
  x0,
  y0,
});

describe('similarity transforms', () => {
  it('are found again from points that they moved, and undone', () => {
    const coordinate = fc.double({ min: -50, max: 50, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(fc.record({ x: coordinate, y: coordinate }), { minLength: 3, maxLength: 8 }),
        fc.double({ min: -179, max: 179, noNaN: true }),
        fc.double({ min: 0.3, max: 3, noNaN: true }),
        coordinate,
        (points, angle, scale, shift) => {
          const widest = Math.max(
            ...points.map((p) => Math.hypot(p.x - (points[0]?.x ?? 0), p.y - (points[0]?.y ?? 0))),
          );
          fc.pre(widest > 0.1);
          const truth = turned(angle, scale, shift, -2 * shift);
          const found = fitSimilarity(
            points,
            points.map((point) => applySimilarity(truth, point)),
          );
          if (found === null) throw new Error('no transform');
          for (const key of ['a', 'b', 'x0', 'y0'] as const) expect(found[key]).toBeCloseTo(truth[key], 6);
          const back = invertSimilarity(found);
          if (back === null) throw new Error('no inverse');
          for (const point of points) {
            const again = applySimilarity(back, applySimilarity(found, point));
            expect(again.x).toBeCloseTo(point.x, 6);
            expect(again.y).toBeCloseTo(point.y, 6);
          }
          expect(scaleAndAngle(found).scale).toBeCloseTo(scale, 6);
        },
      ),
    );
  });

  // skimage.transform.SimilarityTransform (Umeyama) on the same points gives these parameters.
  it("agree with scikit-image's estimate where the points fit only roughly", () => {
    const from = [
      { x: 14, y: 19 },
      { x: 35, y: 17 },
      { x: 25, y: 28 },
      { x: 17, y: 38 },
      { x: 33, y: 37 },
    ];
    const found = fitSimilarity(from, alignmentTemplate(48));
    expect(found?.a).toBeCloseTo(0.818467156135, 9);
    expect(found?.b).toBeCloseTo(0.036428571429, 9);
    expect(found?.x0).toBeCloseTo(4.725871670702, 8);
    expect(found?.y0).toBeCloseTo(7.158327345153, 8);
  });

  it('are left open by points that lie on one another', () => {
    const same = [
      { x: 3, y: 3 },
      { x: 3, y: 3 },
    ];
    expect(fitSimilarity(same, alignmentTemplate(48).slice(0, 2))).toBeNull();
  });
});

describe('warping', () => {
  const picture = Uint8Array.from({ length: 64 }, (_, pixel) => (pixel * 37) % 256);
  const at = (pixels: Uint8Array, x: number, y: number) => pixels[y * 8 + x];

  it('leaves a picture as it is under the identity', () => {
    expect(warpPicture(picture, 8, { a: 1, b: 0, x0: 0, y0: 0 })).toEqual(picture);
  });

  it('shifts by whole pixels, and mirrors what comes in from outside, the edge twice', () => {
    const shifted = warpPicture(picture, 8, { a: 1, b: 0, x0: 3, y0: 0 });
    for (const [x, from] of [
      [7, 4],
      [3, 0],
      [2, 0],
      [1, 1],
      [0, 2],
    ] as const) {
      expect(at(shifted, x, 5)).toBe(at(picture, from, 5));
    }
  });

  it('turns by a quarter around the middle', () => {
    const quarter = warpPicture(picture, 8, turned(90, 1, 8, 0));
    for (let y = 0; y < 8; y++)
      for (let x = 0; x < 8; x++) expect(at(quarter, x, y)).toBe(at(picture, y, 7 - x));
  });

  it('interpolates between two pixels', () => {
    const half = warpPicture(picture, 8, { a: 1, b: 0, x0: 0.5, y0: 0 });
    expect(at(half, 4, 2)).toBe(Math.round(((at(picture, 3, 2) ?? 0) + (at(picture, 4, 2) ?? 0)) / 2));
  });

  it('halves into a smaller result', () => {
    const flat = new Uint8Array(64).fill(77);
    expect(warpPicture(flat, 8, { a: 0.5, b: 0, x0: 0, y0: 0 }, 4)).toEqual(new Uint8Array(16).fill(77));
  });
});

describe('alignment of a face', () => {
  const template = alignmentTemplate(48);

  it('is the identity for a face that lies on the template', () => {
    const found = alignment(template, 48);
    expect(found).toMatchObject({ fault: null });
    expect(found.scale).toBeCloseTo(1, 9);
    expect(found.angle).toBeCloseTo(0, 9);
    expect(found.residual).toBeCloseTo(0, 9);
  });

  it('takes a turned and larger face back', () => {
    const face = template.map((point) => applySimilarity(turned(20, 1.3, 2, -9), point));
    const found = alignment(face, 48);
    expect(found.fault).toBeNull();
    expect(found.scale).toBeCloseTo(1 / 1.3, 9);
    expect(found.angle).toBeCloseTo(-20, 9);
  });

  const moved = (transform: Similarity): Point[] =>
    template.map((point) => applySimilarity(transform, point));
  const around = (x: number, y: number) => ({ x: 24 + x, y: 24 + y });
  it.each([
    ['eyes too near each other', moved(turned(0, 0.4, 14, 14)), 'eyes'],
    ['eyes too far apart', moved(turned(0, 2.5, -36, -36)), 'eyes'],
    ['a head upside down', moved(turned(180, 1, 48, 48)), 'angle'],
    [
      'a mouth above the eyes',
      [around(-8, 5), around(8, 5), around(0, 0), around(-6, -9), around(6, -9)],
      'mouth',
    ],
    ['a nose beside the face', [...template.slice(0, 2), around(18, 7), ...template.slice(3)], 'residual'],
    ['points that are no numbers', template.map(() => ({ x: NaN, y: 1 })), 'eyes'],
  ])('is refused for %s', (_, points, fault) => {
    expect(alignment(points, 48).fault).toBe(fault);
  });

  it('reads eyes, nose and mouth from 68 landmarks', () => {
    const landmarks = Array.from({ length: 68 }, (_, index) => ({ x: index, y: 2 * index }));
    expect(fivePoints(landmarks).map(({ x }) => x)).toEqual([38.5, 44.5, 30, 48, 54]);
    expect(() => fivePoints(landmarks.slice(1))).toThrow('expected 68 landmarks');
  });
});
