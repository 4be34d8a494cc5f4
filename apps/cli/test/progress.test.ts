import { describe, expect, it } from '@jest/globals';
import { duration, estimate, progressLine } from '../src/index.js';
import type { TrackedJob } from '../src/index.js';

const job = (values: Partial<TrackedJob>): TrackedJob => ({
  id: 'a',
  kind: 'train',
  stage: 'student',
  state: 'pending',
  cached: false,
  startedAt: null,
  endedAt: null,
  progress: null,
  work: 100,
  ...values,
});
const running = (done: number, startedAt: number): TrackedJob =>
  job({ state: 'running', startedAt, progress: { done, total: 100, unit: 'images', rate: 50 } });

describe('estimate', () => {
  it('knows nothing before anything has run', () => {
    expect(estimate([job({}), job({ id: 'b' })], 0)).toMatchObject({
      fraction: 0,
      secondsLeft: null,
      ended: 0,
      total: 2,
    });
  });

  it('takes the length of a job from the pace of a running one', () => {
    // Half of 100 in 10 s: 10 s left of this one and 20 s of the next.
    const state = estimate([running(50, 0), job({ id: 'b' })], 10_000);
    expect(state.secondsLeft).toBeCloseTo(30);
    expect(state.fraction).toBeCloseTo(0.25);
    expect(state.rate).toEqual({ value: 50, unit: 'images' });
  });

  it('takes the length of an unseen training from its work at the speed of the others', () => {
    const state = estimate([running(50, 0), job({ id: 'b', kind: 'distill', work: 300 })], 10_000);
    expect(state.secondsLeft).toBeCloseTo(10 + 60);
  });

  it('divides what is left among the jobs that run side by side and adds their rates', () => {
    const state = estimate([running(50, 0), { ...running(50, 0), id: 'b' }, job({ id: 'c' })], 10_000);
    expect(state.secondsLeft).toBeCloseTo(20);
    expect(state.rate?.value).toBe(100);
  });

  it('counts a finished job at its own length and a cached one not at all', () => {
    const finished = job({ state: 'succeeded', startedAt: 0, endedAt: 8000 });
    const cached = job({ id: 'c', state: 'succeeded', cached: true, startedAt: 0, endedAt: 900_000 });
    const state = estimate([finished, cached, job({ id: 'b' })], 8000);
    expect(state.secondsLeft).toBeCloseTo(8);
    expect(state).toMatchObject({ fraction: 0.5, ended: 2, total: 3 });
  });

  it('is complete when all has ended', () => {
    const state = estimate(
      [job({ state: 'succeeded', startedAt: 0, endedAt: 1000 }), job({ id: 'b', state: 'failed' })],
      2000,
    );
    expect(state).toMatchObject({ fraction: 1, secondsLeft: 0, ended: 2 });
  });
});

describe('words', () => {
  it.each([
    [0.4, '0 s'],
    [59.6, '1 min 00 s'],
    [125, '2 min 05 s'],
    [11_520, '3 h 12 min'],
  ])('says %d seconds as %s', (seconds, text) => expect(duration(seconds)).toBe(text));

  it('draws a bar with rate and time left', () => {
    expect(progressLine(estimate([running(50, 0)], 10_000), 10)).toBe(
      '[█████·····] 50 %  0/1 jobs  50 images/s  10 s left',
    );
  });
});
