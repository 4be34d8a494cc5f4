import {
  createPostgresBackend,
  runMigrations,
  setDefaultBackendFactory,
  type ConnectionOptions,
} from 'bullmq';
import pg from 'pg';
import type { ResourceClass } from '@ferment/contracts';

/** What delivers: BullMQ on PostgreSQL (embedded installations) or on Redis. */
export type QueueSettings = { backend: 'postgres' | 'redis'; url: string };

/**
 * Makes the queue's backend ready and BullMQ's default in this process: call it before any queue, worker or Nest
 * module is constructed. On PostgreSQL it also brings BullMQ's own schema up to date.
 */
export async function prepareQueue(settings: QueueSettings): Promise<void> {
  if (settings.backend === 'redis') {
    setDefaultBackendFactory();
    return;
  }
  const client = new pg.Client({ connectionString: settings.url });
  await client.connect();
  try {
    await runMigrations(client);
  } finally {
    await client.end();
  }
  setDefaultBackendFactory(createPostgresBackend);
}

/** Makes the backend BullMQ's default for a process that only looks: no schema is brought up to date. */
export function prepareQueueClient(settings: QueueSettings): void {
  setDefaultBackendFactory(...(settings.backend === 'redis' ? [] : [createPostgresBackend]));
}

/** The connection that `new Queue`, `new Worker` and `BullModule.forRoot` take. */
export function queueConnection(settings: QueueSettings): ConnectionOptions {
  // A consumer that waits must wait through an outage rather than fail after some retries.
  if (settings.backend === 'redis') return { url: settings.url, maxRetriesPerRequest: null };
  return {
    ...{ connectionString: settings.url, max: 2, keepAlive: true },
    // A queue that lost its last moments in a crash is filled again, or delivers again what is done: no message is worth
    // waiting for the disk.
    options: '-c synchronous_commit=off',
  } as ConnectionOptions;
}

export function queueName(resource: ResourceClass): string {
  return `ferment-${resource}`;
}

/** BullMQ ignores an id that exists and refuses ':' and integers; every attempt has an id of its own. */
export function queueJobId(jobId: string, attempt: number): string {
  return `job-${jobId}-${attempt}`;
}

/**
 * What every consumer of these queues must be given: a message whose consumer stalled is delivered again, never
 * failed, because only PostgreSQL says what failed.
 */
export const consumerOptions = {
  maxStalledCount: 2 ** 31 - 1,
  lockDuration: 30_000,
  removeOnComplete: { count: 0 },
  removeOnFail: { count: 0 },
} as const;
