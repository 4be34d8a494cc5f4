import { expect } from '@jest/globals';
import { TrainingStopped, type TrainingInputs } from '../../src/train/index.js';
import { Collected, timeless, trained } from './training.js';

/** A run that is stopped after a step and resumed ends as one that was left alone. */
export async function resumesAlike(job: TrainingInputs, stop: number): Promise<void> {
  const whole = await trained(job);
  const controller = new AbortController();
  const collected = new Collected();
  const onRow = ({ step }: { step: number }) => {
    if (step === stop) controller.abort();
  };
  const interrupted = trained(job, { signal: controller.signal, onRow }, collected);
  await expect(interrupted).rejects.toBeInstanceOf(TrainingStopped);
  const last = collected.checkpoints.at(-1);
  expect(last?.step).toBe(stop);
  const resumed = await trained({ ...job, resume: last?.bytes ?? null });
  expect(Buffer.compare(resumed.result.best, whole.result.best)).toBe(0);
  expect(Buffer.compare(resumed.result.last, whole.result.last)).toBe(0);
  expect([...collected.rows, ...resumed.rows].map(timeless)).toEqual(whole.rows.map(timeless));
  expect(resumed.result.curve.map(timeless)).toEqual(whole.result.curve.map(timeless));
}
