import { describe, expect, it } from '@jest/globals';
import type { JobItem } from '@ferment/contracts';
import { workOf } from '../lib/work';
import { jobItemOf } from './job-item';

const start = Date.parse('2026-01-01T00:00:00Z');
const at = (seconds: number) => new Date(start + 1000 * seconds).toISOString();

const job = jobItemOf;

const attempt = (from: number, to: number | null): JobItem['attempts'][number] => ({
  ...{ number: 1, state: to === null ? 'running' : 'succeeded', worker: null, failureClass: null },
  ...{ reason: null, details: null, resumedFromStep: null },
  ...{ startedAt: at(from), endedAt: to === null ? null : at(to) },
});

const none = new Map<string, never>();
const progress = (done: number, total: number) => ({ done, total, unit: 'steps', rate: null });

describe('the work of an experiment', () => {
  it('weighs trainings by what they take, not by their number', () => {
    const jobs = [
      job({ id: 'large', state: 'pending', macs: 900 }),
      job({ id: 'small', state: 'succeeded', macs: 100 }),
    ];
    expect(workOf(jobs, none, start).share).toBeCloseTo(0.1, 12);
  });

  it('tells the time left at the pace so far, over as many jobs at once as run now', () => {
    const jobs = [
      job({ id: 'a', state: 'succeeded', macs: 100, attempts: [attempt(0, 50)] }),
      job({ id: 'b', state: 'running', macs: 100, attempts: [attempt(50, null)], progress: progress(5, 10) }),
      job({ id: 'c', state: 'ready', macs: 100 }),
    ];
    // 150 in 75 s of work; 150 are left.
    const { share, remainingMilliseconds } = workOf(jobs, none, start + 75_000);
    expect(share).toBeCloseTo(0.5, 12);
    expect(remainingMilliseconds).toBeCloseTo(75_000, 6);
  });

  it('takes the newest that a running job told, and keeps what a job that was put away had done', () => {
    const jobs = [
      job({ id: 'told', state: 'running', macs: 100, progress: progress(1, 10) }),
      job({ id: 'paused', state: 'ready', macs: 100, progress: progress(4, 10) }),
    ];
    expect(workOf(jobs, new Map([['told', progress(6, 10)]]), start).share).toBeCloseTo(0.5, 12);
  });

  it('gives no time while nothing runs, and leaves out what was cancelled and what others had done', () => {
    const idle = [job({ id: 'a', state: 'ready', macs: 100, progress: progress(5, 10) })];
    expect(workOf(idle, none, start).remainingMilliseconds).toBeNull();
    const cached = [
      job({ id: 'a', state: 'succeeded', macs: 100, cached: true, attempts: [attempt(0, 5000)] }),
      job({ id: 'b', state: 'running', macs: 100, attempts: [attempt(0, null)], progress: progress(1, 2) }),
      job({ id: 'c', state: 'cancelled', macs: 800 }),
    ];
    const { share, remainingMilliseconds } = workOf(cached, none, start + 10_000);
    expect(share).toBeCloseTo(0.75, 12);
    expect(remainingMilliseconds).toBeCloseTo(10_000, 6);
  });

  it('counts jobs where none has counted work, and nothing as nothing', () => {
    const jobs = [
      job({ id: 'a', state: 'succeeded', macs: null }),
      job({ id: 'b', state: 'ready', macs: null }),
    ];
    expect(workOf(jobs, none, start).share).toBe(0.5);
    expect(workOf([], none, start)).toEqual({ share: 0, remainingMilliseconds: null });
  });
});
