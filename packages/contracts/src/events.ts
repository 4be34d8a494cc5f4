import { z } from 'zod';
import { metricChunk } from './metrics.js';
import { attemptStates, experimentStates, failureClasses, jobStates, trialStates } from './states.js';

/** What the event log records; each row is written in the transaction that made it true. */
export const eventPayload = z.discriminatedUnion('type', [
  z.object({ type: z.literal('experiment.created'), name: z.string() }),
  z.object({
    type: z.literal('experiment.changed'),
    state: z.enum(experimentStates),
    trials: z.record(z.enum(trialStates), z.int()),
    jobs: z.partialRecord(z.enum(jobStates), z.int()),
  }),
  z.object({ type: z.literal('experiment.deleted'), name: z.string() }),
  z.object({ type: z.literal('trial.changed'), state: z.enum(trialStates), reason: z.string().nullable() }),
  z.object({
    type: z.literal('job.changed'),
    state: z.enum(jobStates),
    kind: z.string(),
    attempt: z.int().nullable(),
    reason: z.string().nullable(),
  }),
  z.object({
    type: z.literal('attempt.changed'),
    state: z.enum(attemptStates),
    attempt: z.int(),
    failureClass: z.enum(failureClasses).nullable(),
    reason: z.string().nullable(),
  }),
  /** The job's chunks up to this cursor were moved into its stored curve. Streamed as a frame of its own, `curve`. */
  z.object({ type: z.literal('metrics.compacted'), cursor: z.int() }),
  z.object({ type: z.literal('checkpoint.saved'), step: z.int(), epoch: z.number(), hash: z.string() }),
  z.object({ type: z.literal('table.ready'), hash: z.string(), complete: z.boolean() }),
  z.object({ type: z.literal('dataset.imported'), dataset: z.string(), version: z.string() }),
  z.object({ type: z.literal('worker.changed'), worker: z.string(), state: z.string() }),
]);
export type EventPayload = z.output<typeof eventPayload>;

export const eventRecord = z.object({
  id: z.string(),
  time: z.iso.datetime(),
  experimentId: z.string().nullable(),
  trialId: z.string().nullable(),
  jobId: z.string().nullable(),
  payload: eventPayload,
});
export type EventRecord = z.output<typeof eventRecord>;

/** Progress of a running job; not stored, sent with the heartbeat. */
export const jobProgress = z.object({
  done: z.number(),
  total: z.number(),
  unit: z.string(),
  /** Units a second. */
  rate: z.number().nullable(),
});
export type JobProgress = z.output<typeof jobProgress>;

/**
 * Frames of the one multiplexed stream, by SSE event name. The SSE id is `<last event>.<last metric chunk>`,
 * not to be taken apart: a client that reconnects with `Last-Event-ID` misses and repeats nothing.
 */
export const streamFrames = {
  event: eventRecord,
  metrics: metricChunk,
  /**
   * Chunks up to this cursor are streamed no more. Sent to whoever asked for `metrics`: a reader that has seen fewer of
   * the job's chunks reads its curve again (`GET jobs/{id}/metrics`), all others have it whole.
   */
  curve: z.object({ jobId: z.string(), cursor: z.int() }),
  progress: z.object({ jobId: z.string(), progress: jobProgress }),
} as const;
export type StreamFrameName = keyof typeof streamFrames;
