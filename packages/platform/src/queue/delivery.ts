import { Queue } from 'bullmq';
import { resourceClasses, type ResourceClass } from '@ferment/contracts';
import type { QueueMessage } from '../truth/attempts.js';
import { queueConnection, queueJobId, queueName, type QueueSettings } from './settings.js';

/** What dispatcher and reconciler need of a queue. */
export interface Delivery {
  /** Hands out attempts, in this order. Repeating it for the same attempts changes nothing. */
  enqueue(resource: ResourceClass, messages: readonly QueueMessage[]): Promise<void>;
  /** True while the queue holds that attempt, waiting or being worked on. */
  has(resource: ResourceClass, message: Pick<QueueMessage, 'jobId' | 'attempt'>): Promise<boolean>;
}

export type Queues = Record<ResourceClass, Queue<QueueMessage>>;

/** Queues of this process's own; close them when done. */
export function openQueues(settings: QueueSettings): Queues & { close(): Promise<void> } {
  const open = (resource: ResourceClass): Queue<QueueMessage> => {
    const queue = new Queue<QueueMessage>(queueName(resource), { connection: queueConnection(settings) });
    // Connection errors are reported by the calls that meet them.
    queue.on('error', () => undefined);
    return queue;
  };
  const queues = { cpu: open('cpu'), gpu: open('gpu'), light: open('light') };
  return {
    ...queues,
    close: async () => {
      await Promise.all(resourceClasses.map((resource) => queues[resource].close()));
    },
  };
}

/** How many messages a queue holds; those that are being worked on count as active. */
export async function queueDepth(
  queue: Queue<QueueMessage>,
): Promise<{ waiting: number; active: number; delayed: number }> {
  const counts = await queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed');
  const { waiting = 0, prioritized = 0, active = 0, delayed = 0 } = counts;
  return { waiting: waiting + prioritized, active, delayed };
}

/** Delivery through BullMQ. Order was decided in PostgreSQL, so all messages have one priority: first in, first out. */
export function delivery(queues: Queues): Delivery {
  return {
    async enqueue(resource, messages) {
      const jobs = messages.map((message) => ({
        name: 'attempt',
        data: message,
        opts: {
          jobId: queueJobId(message.jobId, message.attempt),
          attempts: 1,
          removeOnComplete: true,
          removeOnFail: true,
          // 0 (unset) would outrank every message that has a priority.
          priority: 1,
        },
      }));
      await queues[resource].addBulk(jobs);
    },
    async has(resource, { jobId, attempt }) {
      const found = await queues[resource].getJob(queueJobId(jobId, attempt));
      if (!found) return false;
      const state = await found.getState();
      return state !== 'completed' && state !== 'failed' && state !== 'unknown';
    },
  };
}
