import { z } from 'zod';
import { jobProgress } from './events.js';

/** A graphics processor that a worker gives to its jobs. */
export const workerDevice = z.object({
  /** As FERMENT_DEVICES names it: a number or a UUID. */
  id: z.string(),
  /** Null where nvidia-smi does not tell, as all that follows. */
  name: z.string().nullable(),
  driver: z.string().nullable(),
  memoryBytes: z.int().nullable(),
});
export type WorkerDevice = z.output<typeof workerDevice>;

/** What a worker tells of itself at its start, and again every minute. */
export const workerFacts = z.object({
  versions: z.object({
    /** With the commit of its checkout where there is one: `0.1.0+1a2b3c4`. */
    ferment: z.string(),
    node: z.string(),
    /** The library that set-up installed; null where it has not. */
    tensorflow: z.string().nullable(),
  }),
  /** Operating system, its release and the machine's architecture. */
  platform: z.string(),
  /** Model of the CPU. */
  cpu: z.string(),
  /** Threads that the machine has for this process; how many jobs get is said by the worker's slots. */
  threads: z.int(),
  /** Of the machine, or as much of it as this process's group may use. */
  memoryBytes: z.int(),
  /** Graphics processors that its jobs run on; none where they run on the CPU. */
  devices: z.array(workerDevice),
  /** By its own clock. */
  startedAt: z.iso.datetime(),
  /** Seconds that its clock is behind the database's. */
  clockOffsetSeconds: z.number(),
  /** Address of its own figures for Prometheus; null where it has none (FERMENT_WORKER_METRICS). */
  metrics: z.string().nullable(),
});
export type WorkerFacts = z.output<typeof workerFacts>;

export const workerItem = z.object({
  id: z.string(),
  host: z.string(),
  pid: z.int(),
  state: z.enum(['active', 'draining', 'gone']),
  slots: z.record(z.string(), z.int()),
  /** Bytes for its jobs together, and for one of them at most; null where they are not bounded. */
  memory: z.object({ total: z.number(), job: z.number() }).nullable().default(null),
  running: z.array(
    z.object({
      jobId: z.uuid(),
      kind: z.string(),
      stage: z.string().nullable().default(null),
      attempt: z.int(),
      startedAt: z.string().nullable().default(null),
      progress: jobProgress.nullable().default(null),
      /** The oldest experiment that wants it; null where the installation itself does. */
      experiment: z.object({ id: z.uuid(), name: z.string() }).nullable().default(null),
    }),
  ),
  heartbeatAt: z.iso.datetime(),
  /** By the database's clock. */
  heartbeatAgeSeconds: z.number().default(0),
  /** Null for a worker of a version that told none. */
  facts: workerFacts.nullable().default(null),
});
export type WorkerItem = z.output<typeof workerItem>;
