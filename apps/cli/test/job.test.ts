import { describe, expect, it } from '@jest/globals';
import type { JobItem } from '@ferment/contracts';
import { describeJob, jobTable } from '../src/index.js';

const job: JobItem = {
  id: '6e3c5c3e-5a0e-4a63-9d77-6d2f6d1c6f01',
  key: 'a'.repeat(64),
  kind: 'train',
  stage: 'student',
  state: 'succeeded',
  pausing: false,
  cached: false,
  reason: null,
  failureClass: null,
  params: {},
  inputs: [],
  outputs: { best: { hash: 'b'.repeat(64), bytes: 12 } },
  result: {
    steps: 9,
    computedOn: {
      ...{ cpu: 'AMD EPYC', threads: 2, tensorflow: '2.21.0', gpu: false, device: 'cpu' },
      flags: { TF_ENABLE_ONEDNN_OPTS: '1' },
      libraries: { 'tensorflow-cpu': '2.21.0' },
    },
  },
  progress: null,
  macs: null,
  summaries: {},
  attempts: [],
  createdAt: '2026-01-01T00:00:00.000Z',
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: '2026-01-01T00:01:30.000Z',
};

describe('a job', () => {
  it('is shown with what its bits depend on besides its parameters', () => {
    const shown = describeJob(job).split('\n');
    expect(shown[0]).toBe('train student  succeeded');
    expect(shown.slice(shown.indexOf('computed on'))).toEqual([
      'computed on',
      '  cpu  AMD EPYC',
      '  threads  2',
      '  tensorflow  2.21.0',
      '  gpu  false',
      '  device  cpu',
      '  flags.TF_ENABLE_ONEDNN_OPTS  1',
      '  libraries.tensorflow-cpu  2.21.0',
    ]);
    expect(shown).toContain(`  best  ${'b'.repeat(64)} (12 bytes)`);
  });

  it('that says nothing of a machine is shown without one, a failed one with its reason', () => {
    const failed = {
      ...job,
      state: 'failed' as const,
      reason: 'no',
      result: null,
      outputs: {},
      endedAt: null,
    };
    expect(describeJob(failed)).not.toContain('computed on');
    expect(describeJob(failed)).toContain('reason    no');
  });

  it('is a row of a table', () => {
    expect(jobTable([job])).toMatch(/6e3c5c3e\S+ +train +student +succeeded +\S+/);
    expect(jobTable([])).toContain('No jobs.');
  });
});
