import { describe, expect, it } from '@jest/globals';
import type { AttemptItem, JobItem } from '@ferment/contracts';
import { badRows, leakPairs, reasonInFull } from '../src/index.js';

const now = '2026-01-01T00:00:00.000Z';

function failed(reason: string, details: AttemptItem['details'], params: JobItem['params'] = {}): JobItem {
  const failure = { failureClass: 'user', reason, startedAt: now, endedAt: now } as const;
  return {
    id: '6e3c5c3e-5a0e-4a63-9d77-6d2f6d1c6f01',
    key: 'a'.repeat(64),
    kind: 'import',
    stage: null,
    state: 'failed',
    pausing: false,
    cached: false,
    params,
    inputs: [],
    outputs: {},
    result: null,
    progress: null,
    macs: null,
    summaries: {},
    createdAt: now,
    ...failure,
    attempts: [{ number: 1, state: 'failed', worker: null, resumedFromStep: null, details, ...failure }],
  };
}

describe('the reason of a failed job', () => {
  const rows = Array.from({ length: 8 }, (_, index) => ({ row: 31 + index, reason: `reason ${index}` }));
  const shown = rows.slice(0, 5).map(({ row, reason }) => `faces.csv:${row}: ${reason}`);
  const reason = ['8 bad rows. Correct them.', ...shown, 'and 3 more'].join('\n');
  const params = { fileName: 'faces.csv' };

  it('lists every bad row once, by file and line', () => {
    const told = reasonInFull(failed(reason, { bad: rows }, params)).split('\n');
    expect(told).toEqual([
      '8 bad rows. Correct them.',
      ...rows.map(({ row, reason }) => `faces.csv:${row}: ${reason}`),
    ]);
  });

  it('says how many bad rows the import did not list', () => {
    expect(badRows(failed(reason, { bad: rows, unlisted: 1234 }, params)).at(-1)).toBe(
      'and 1234 more, not listed',
    );
  });

  it('lists every pair of a leak', () => {
    const pairs = Array.from({ length: 7 }, (_, index) => ({
      train: index,
      split: 'test',
      image: 100 + index,
    }));
    const job = failed('leak: 7 exact copies', { pairs });
    expect(leakPairs(job)).toHaveLength(7);
    expect(reasonInFull(job).split('\n').at(-1)).toBe('training image 6 = test image 106');
  });

  it('is the reason alone where the failure lists nothing', () => {
    expect(reasonInFull(failed('out of memory', { stack: 'at run' }))).toBe('out of memory');
    expect(reasonInFull({ ...failed('blocked', null), attempts: [] })).toBe('blocked');
  });
});
