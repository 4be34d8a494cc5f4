import type { JobItem } from '@ferment/contracts';

export type GivenJob = Pick<JobItem, 'id' | 'state' | 'macs'> & Partial<JobItem>;

/** A job as the API gives it, with nothing to tell beyond what is given. */
export const jobItemOf = (given: GivenJob): JobItem => ({
  ...{ key: given.id, kind: 'train', stage: null, pausing: false, cached: false, reason: null },
  ...{ failureClass: null, params: {}, inputs: [], outputs: {}, result: null, progress: null, summaries: {} },
  ...{ attempts: [], createdAt: '2026-01-01T00:00:00.000Z', startedAt: null, endedAt: null },
  ...given,
});
