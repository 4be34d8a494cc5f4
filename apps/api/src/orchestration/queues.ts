import { getQueueToken } from '@nestjs/bullmq';
import type { FactoryProvider } from '@nestjs/common';
import { resourceClasses } from '@ferment/contracts';
import { type Delivery, delivery, type QueueMessage, queueName } from '@ferment/platform';
import type { Queue } from 'bullmq';

export const DELIVERY = Symbol('delivery');

/** Delivery over Nest's queues, one for each resource class. */
export const deliveryProvider: FactoryProvider<Delivery> = {
  provide: DELIVERY,
  inject: resourceClasses.map((resource) => getQueueToken(queueName(resource))),
  useFactory: (cpu: Queue<QueueMessage>, gpu: Queue<QueueMessage>, light: Queue<QueueMessage>) =>
    delivery({ cpu, gpu, light }),
};
