import { z } from 'zod';
import { resourceClasses } from './jobs.js';
import { experimentStates } from './states.js';

/** What to do about an artifact that is gone or damaged. */
export const lossOutcomes = ['being made again', 'cannot be made again', 'not needed'] as const;
export type LossOutcome = (typeof lossOutcomes)[number];

const lostArtifact = z.object({ hash: z.string(), bytes: z.int(), outcome: z.enum(lossOutcomes) });
export type LostArtifact = z.output<typeof lostArtifact>;

const amount = z.object({ count: z.int(), bytes: z.int() });

/** A day: what was deleted by mistake can be asked for again until then without being computed again. */
export const defaultGraceSeconds = 86_400;

export const collectGarbage = z.strictObject({
  dryRun: z.boolean().default(false),
  graceSeconds: z.number().min(0).default(defaultGraceSeconds),
  /** Damaged bytes that were put aside are deleted too. */
  quarantine: z.boolean().default(false),
});
export type CollectGarbage = z.input<typeof collectGarbage>;

/** What was deleted, or with `dryRun` would be. */
export const garbageReport = z.object({
  dryRun: z.boolean(),
  graceSeconds: z.number(),
  /** False where time was up: asked again it goes on. */
  complete: z.boolean(),
  jobs: z.int(),
  /**
   * By what they are for: a kind of the job catalog, `resume` (states to resume from), `upload`, `unknown` (in the store
   * and not in the database), `temporary` (of writers that died), `quarantined`, `other`.
   */
  artifacts: z.record(z.string(), amount),
  /** Of no use, and not for as long as the grace yet. */
  waiting: z.object({ jobs: z.int(), artifacts: z.int(), bytes: z.int() }),
  /** Needed, and not in the store; the first hundred by name. */
  missing: z.object({ count: z.int(), artifacts: z.array(lostArtifact) }),
  /** Damaged bytes kept for inspection. */
  quarantined: amount,
});
export type GarbageReport = z.output<typeof garbageReport>;

export const verifyArtifacts = z.strictObject({
  /** The `next` of the answer before. */
  after: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});

/** A part of an audit that reads every artifact. */
export const verification = z.object({
  checked: z.int(),
  bytes: z.int(),
  /** Of all artifacts, to tell how far it is. */
  total: amount,
  /** Bytes that were not their own: put aside. */
  corrupt: z.array(lostArtifact),
  missing: z.array(lostArtifact),
  /** Where to go on; null at the end. */
  next: z.string().nullable(),
});
export type Verification = z.output<typeof verification>;

/** Why a job that is wanted does not run. */
export const waitReasons = {
  paused: 'the experiment is paused',
  inputs: 'inputs are not there yet',
  'failed input': 'an input failed',
  offered: 'in the queue for the next worker that has room',
  'back-off': 'failed, and tried again later',
  'no worker': 'no worker offers this resource',
  memory:
    'more memory needed than any worker has (lower run.memory or the batch, or raise FERMENT_WORKER_MEMORY)',
  limit: 'the experiment runs as many jobs at once as it may (run.parallel)',
  'no slot': 'all slots are taken',
} as const;
export type WaitReason = keyof typeof waitReasons;

const waiting = z.object({
  reason: z.enum(Object.keys(waitReasons) as [WaitReason, ...WaitReason[]]),
  jobs: z.int(),
  /** With `back-off`: when the first of them is tried again. */
  until: z.iso.datetime().nullable(),
});

export const queueOverview = z.object({
  backend: z.enum(['postgres', 'redis']),
  resources: z.array(
    z.object({
      resource: z.enum(resourceClasses),
      /** Of the active workers together. */
      slots: z.int(),
      running: z.int(),
      ready: z.int(),
      pending: z.int(),
      /** Messages of the queue itself; null where it does not answer. */
      queue: z.object({ waiting: z.int(), active: z.int(), delayed: z.int() }).nullable(),
      waiting: z.array(waiting),
    }),
  ),
  /** Those that have not ended, oldest first. A shared job stands with each that wants it. */
  experiments: z.array(
    z.object({
      id: z.uuid(),
      name: z.string(),
      state: z.enum(experimentStates),
      priority: z.int(),
      running: z.int(),
      waiting: z.array(waiting),
    }),
  ),
});
export type QueueOverview = z.output<typeof queueOverview>;

/** One line of `doctor`. */
export const checkFinding = z.object({
  name: z.string(),
  level: z.enum(['ok', 'warning', 'failure']),
  /** What was found, in a sentence. */
  found: z.string(),
  /** What was expected; null where the finding says it all. */
  expected: z.string().nullable(),
  /** What to do about it; null when nothing needs doing or nobody knows. */
  remedy: z.string().nullable(),
});
export type CheckFinding = z.output<typeof checkFinding>;

/** What the API needs; `ok`, or why it does not answer. */
export const readiness = z.object({
  status: z.enum(['ok', 'unavailable']),
  parts: z.object({ database: z.string(), queue: z.string(), store: z.string() }),
});
export type Readiness = z.output<typeof readiness>;
