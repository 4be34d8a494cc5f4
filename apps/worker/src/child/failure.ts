import { JobFailure } from '@ferment/contracts';
import { z } from 'zod';
import type { FromChild } from '../protocol.js';
import { DamagedInput } from './context.js';

/** How an error of a handler is reported: its class decides whether the job is tried again. */
export function failureMessage(error: unknown): Extract<FromChild, { type: 'failed' }> {
  const failed = (
    failureClass: JobFailure['failureClass'],
    reason: string,
    details: Record<string, unknown> = {},
  ) => ({ type: 'failed', failureClass, reason, details }) as const;
  if (error instanceof JobFailure) return failed(error.failureClass, error.message, error.details);
  if (error instanceof DamagedInput)
    return failed('transient', error.message, { corruptArtifact: error.hash });
  if (error instanceof z.ZodError) return failed('user', `params: ${z.prettifyError(error)}`);
  if (!(error instanceof Error)) return failed('transient', String(error));
  const details = { stack: error.stack ?? null };
  const outOfMemory = /OOM when allocating|RESOURCE_EXHAUSTED|Array buffer allocation failed/i.test(
    error.message,
  );
  return failed(outOfMemory ? 'resource' : 'transient', error.message, details);
}
