import { adversarialMethodSpec, distillMethodSpec } from '@ferment/contracts';
import { describe, expect, it, jest } from '@jest/globals';
import type { TrainingInputs } from '../src/train/index.js';
import { everyOption, initialWeights, smallJob, timeless, tinyVgg, trained } from './support/training.js';

jest.setTimeout(120_000);

const until = (job: TrainingInputs, untilEpoch: number | undefined, resume: Uint8Array | null) => ({
  ...job,
  params: { ...job.params, ...(untilEpoch !== undefined && { untilEpoch }) },
  resume,
});

/** Runs a job in parts, each from what the one before left. */
async function chained(job: TrainingInputs, epochs: readonly number[]) {
  let state: Uint8Array | null = null;
  const rows: unknown[] = [];
  for (const epoch of [...epochs, undefined]) {
    const part = await trained(until(job, epoch, state));
    rows.push(...part.rows.map(timeless));
    state = part.result.last;
    if (epoch === undefined) return { result: part.result, rows };
    expect(part.result).toMatchObject({ doneSteps: epoch * 5, steps: 20 });
    expect(part.result.curve.map((row) => row.epoch)).toEqual(
      Array.from({ length: epoch }, (_, at) => at + 1),
    );
  }
  throw new Error('the last part has no end');
}

const jobs: [string, () => TrainingInputs][] = [
  ['a plain training', () => smallJob({ train: { epochs: 4 } })],
  ['one with every option', () => smallJob({ train: { ...everyOption, epochs: 4 } })],
  ['one cycle', () => smallJob({ train: { epochs: 4, schedule: cycle } })],
  [
    'a distillation that follows its classes',
    () =>
      smallJob({
        teachers: [tinyVgg, tinyVgg],
        method: distillMethodSpec.parse({ name: 'eadd', gamma: 2 }),
        train: { epochs: 4 },
      }),
  ],
  [
    'an adversarial training',
    () => {
      const job = smallJob({ start: initialWeights(tinyVgg, 5), train: { epochs: 4 } });
      const method = adversarialMethodSpec.parse({
        ...{ name: 'trades', steps: 1, validationSteps: 1, validationImages: 7, ramp: 2 },
      });
      return { ...job, method: 'adversarial', params: { ...job.params, method } };
    },
  ],
];
const cycle = { name: 'one-cycle', rise: 0.3, startDivisor: 25, endDivisor: 1e4 } as const;

describe('a training that stops after an epoch and is gone on with by another job', () => {
  it.each(jobs)('%s: ends with the bytes of one that was not stopped, one row a step', async (_, job) => {
    const whole = await trained(job());
    const parts = await chained(job(), [1, 3]);
    for (const output of ['best', 'last', 'robust'] as const) {
      const [a, b] = [whole.result[output], parts.result[output]];
      expect(b === null ? null : Buffer.from(b).equals(Buffer.from(a ?? []))).toBe(a === null ? null : true);
    }
    expect(parts.rows).toEqual(whole.rows.map(timeless));
    expect(parts.result).toMatchObject({ bestStep: whole.result.bestStep, doneSteps: 20, steps: 20 });
  });

  it('leaves the same bytes each time: no clock time is in them', async () => {
    const job = smallJob({ train: { epochs: 4 } });
    const [a, b] = [await trained(until(job, 2, null)), await trained(until(job, 2, null))];
    expect(Buffer.from(a.result.last).equals(Buffer.from(b.result.last))).toBe(true);
  });

  it('may come to its end in a part: what follows has nothing left to do', async () => {
    const job = smallJob({ train: { epochs: 2 } });
    const whole = await trained(job);
    const part = await trained(until(job, 5, null));
    const rest = await trained(until(job, undefined, part.result.last));
    expect(rest.rows).toEqual([]);
    expect(Buffer.from(rest.result.last).equals(Buffer.from(whole.result.last))).toBe(true);
    expect(Buffer.from(rest.result.best).equals(Buffer.from(whole.result.best))).toBe(true);
  });
});
