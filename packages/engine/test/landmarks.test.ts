import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { faceLandmarks, landmarkCount, TrainingStopped } from '../src/index.js';

interface Case {
  pixels: string;
  points: number[];
}
const cases = JSON.parse(
  readFileSync(new URL('../fixtures/landmarks.json', import.meta.url), 'utf8'),
) as Case[];
const size = 112;
const pictures = Buffer.concat(cases.map(({ pixels }) => Buffer.from(pixels, 'base64')));
const signal = new AbortController().signal;

describe('face landmarks', () => {
  it('are those that face-api itself finds', async () => {
    const { points, found } = await faceLandmarks(pictures, size, signal);
    expect([...found]).toEqual([1, 1, 1, 1]);
    expect(points.length).toBe(cases.length * landmarkCount * 2);
    const theirs = cases.flatMap((each) => each.points);
    const farthest = Math.max(...theirs.map((value, at) => Math.abs(value * size - (points[at] ?? NaN))));
    expect(farthest).toBeLessThan(0.01);
  });

  it('follow a picture to half its side, and do not depend on their neighbours', async () => {
    const halved = Uint8Array.from({ length: 2 * 56 * 56 }, (_, at) => {
      const [picture, x, y] = [Math.floor(at / 3136), at % 56, Math.floor((at % 3136) / 56)];
      const corner = picture * size * size + 2 * y * size + 2 * x;
      const four = [corner, corner + 1, corner + size, corner + size + 1];
      return Math.round(four.reduce((sum, place) => sum + (pictures[place] ?? 0), 0) / 4);
    });
    const whole = await faceLandmarks(pictures, size, signal);
    const half = await faceLandmarks(halved, 56, signal);
    const moved = Array.from(half.points, (value, at) => Math.abs(value - (whole.points[at] ?? NaN) / 2));
    expect(Math.max(...moved)).toBeLessThan(2.5);
    const alone = await faceLandmarks(halved.subarray(3136), 56, signal);
    expect(
      Math.max(...alone.points.map((value, at) => Math.abs(value - (half.points[136 + at] ?? NaN)))),
    ).toBeLessThan(1e-3);
  });

  it('take more pictures than one batch, report what is done, and stop when asked', async () => {
    const many = Buffer.concat(
      Array.from({ length: 70 }, (_, at) => pictures.subarray((at % 4) * 12544, ((at % 4) + 1) * 12544)),
    );
    const done: number[] = [];
    const { points } = await faceLandmarks(many, size, signal, (count) => done.push(count));
    expect(done).toEqual([64, 70]);
    expect(points.subarray(68 * 136, 69 * 136)).toEqual(points.subarray(0, 136));
    await expect(faceLandmarks(many, size, AbortSignal.abort())).rejects.toThrow(TrainingStopped);
  });
});
