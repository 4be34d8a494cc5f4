import { Inject, Injectable } from '@nestjs/common';
import { getQueueToken } from '@nestjs/bullmq';
import type { ResourceClass } from '@ferment/contracts';
import { queueJobId, type QueueMessage, queueName } from '@ferment/platform';
import type { Queue } from 'bullmq';

/** The delivery queues, one for each resource class. */
@Injectable()
export class Queues {
  private readonly byResource: Readonly<Record<ResourceClass, Queue<QueueMessage>>>;

  constructor(
    @Inject(getQueueToken(queueName('cpu'))) cpu: Queue<QueueMessage>,
    @Inject(getQueueToken(queueName('gpu'))) gpu: Queue<QueueMessage>,
    @Inject(getQueueToken(queueName('light'))) light: Queue<QueueMessage>,
  ) {
    this.byResource = { cpu, gpu, light };
  }

  /**
   * Hands an attempt to the workers. Retries are the platform's, so BullMQ gets one attempt; ended entries are
   * removed, since an id that is still there is silently ignored. Priority 0 would outrank all others: at least 1.
   */
  async enqueue(
    resource: ResourceClass,
    message: QueueMessage,
    options: { priority: number; delay?: number | undefined },
  ): Promise<void> {
    const { delay } = options;
    await this.byResource[resource].add('attempt', message, {
      jobId: queueJobId(message.jobId, message.attempt),
      priority: Math.max(1, options.priority),
      ...(delay === undefined ? {} : { delay }),
      attempts: 1,
      removeOnComplete: true,
      removeOnFail: true,
    });
  }
}
