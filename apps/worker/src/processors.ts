import { OnWorkerEvent, Processor, WorkerHost } from '@nestjs/bullmq';
import { Inject, type Type } from '@nestjs/common';
import { consumerOptions, queueName } from '@ferment/platform';
import { DelayedError, type Job } from 'bullmq';
import { JobRunner } from './job-runner.js';
import { describe } from './retry.js';
import type { Log, QueueMessage } from './truth.js';

/** Injection token of the worker's log. */
export const WORKER_LOG = Symbol('worker log');

/** How long a delivery that there is no room for stays away before it is offered to a worker again. */
const awayMilliseconds = 250;

/** A processor's class is made from the settings: BullMQ wants its options with the class. */
export function processorOf(resource: 'cpu' | 'gpu' | 'light', concurrency: number): Type<WorkerHost> {
  @Processor(
    { name: queueName(resource) },
    // Attempts and retries are counted in the database: to the queue every delivery ends well.
    { ...consumerOptions, concurrency },
  )
  class ResourceProcessor extends WorkerHost {
    constructor(
      @Inject(JobRunner) private readonly runner: JobRunner,
      @Inject(WORKER_LOG) private readonly log: Log,
    ) {
      super();
      runner.onDraining((draining) => {
        const told = draining ? this.worker.pause(true) : this.worker.resume();
        Promise.resolve(told).catch((error: unknown) => this.onError(error));
      });
      // A worker without a free thread fetches nothing: what waits in the queue is for whoever is free first.
      runner.onRoom(resource, (room) => {
        this.worker.concurrency = Math.min(concurrency, room);
      });
    }

    async process(job: Job<QueueMessage>, token?: string): Promise<void> {
      if (!this.runner.keeps(resource, job.data)) {
        await job.moveToDelayed(Date.now() + awayMilliseconds, token);
        throw new DelayedError();
      }
      await this.runner.run(resource, job.data);
    }

    /** A queue that is away is met with reconnecting, by BullMQ itself; an unheard `error` would end the process. */
    @OnWorkerEvent('error')
    onError(error: unknown): void {
      this.log.warn({ queue: queueName(resource), error: describe(error) }, 'queue');
    }
  }
  return ResourceProcessor;
}
