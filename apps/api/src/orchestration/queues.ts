import { getQueueToken } from '@nestjs/bullmq';
import type { FactoryProvider } from '@nestjs/common';
import { resourceClasses } from '@ferment/contracts';
import { type Delivery, delivery, type QueueMessage, queueName } from '@ferment/platform';
import type { Queue } from 'bullmq';
import { LOGGER, type Logger } from '../common/logging.js';

export const DELIVERY = Symbol('delivery');

/** Delivery over Nest's queues, one for each resource class. */
export const deliveryProvider: FactoryProvider<Delivery> = {
  provide: DELIVERY,
  inject: [LOGGER, ...resourceClasses.map((resource) => getQueueToken(queueName(resource)))],
  useFactory: (
    logger: Logger,
    cpu: Queue<QueueMessage>,
    gpu: Queue<QueueMessage>,
    light: Queue<QueueMessage>,
  ) => {
    const queues = { cpu, gpu, light };
    for (const [resource, queue] of Object.entries(queues)) {
      // A queue that is away is met again by the calls that need it; unheard, the event would end the process.
      queue.on('error', (error) => logger.warn({ err: error, resource }, 'queue connection'));
    }
    return delivery(queues);
  },
};
