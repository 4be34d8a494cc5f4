import { getQueueToken } from '@nestjs/bullmq';
import { Controller, Get, Inject } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { checkFinding, queueOverview, type ResourceClass } from '@ferment/contracts';
import {
  answerWithin,
  type ArtifactStore,
  Database,
  examineParts,
  fermentVersion,
  type QueueMessage,
  queueDepth,
  queueName,
  queueOverview as overview,
  type Settings,
} from '@ferment/platform';
import type { Queue } from 'bullmq';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { ARTIFACT_STORE, SETTINGS } from '../tokens.js';

/** What runs, what waits and why, and whether all is in order. */
@ApiTags('operations')
@Controller('api/v1')
export class DoctorController {
  private readonly queues: Record<ResourceClass, Queue<QueueMessage>>;
  /** A checkout may move on under a process that runs: this is what the process is. */
  private readonly version = fermentVersion();

  constructor(
    private readonly database: Database,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(getQueueToken(queueName('cpu'))) cpu: Queue<QueueMessage>,
    @Inject(getQueueToken(queueName('gpu'))) gpu: Queue<QueueMessage>,
    @Inject(getQueueToken(queueName('light'))) light: Queue<QueueMessage>,
  ) {
    this.queues = { cpu, gpu, light };
  }

  @Get('doctor')
  @Allow('admin')
  @Answer(200, 'Database, queue, store and workers, looked at just now', z.array(checkFinding))
  examine() {
    const { database, store, version } = this;
    const { leaseSeconds } = this.settings;
    const depth = (resource: ResourceClass) => queueDepth(this.queues[resource]);
    return examineParts({ database, store, leaseSeconds, version, queueDepth: depth });
  }

  @Get('queue')
  @Allow('viewer')
  @Answer(200, 'What waits, for what and why', queueOverview)
  queue() {
    const { backend } = this.settings.queue;
    return overview(this.database, { backend, depth: (resource) => this.depth(resource) });
  }

  /** Null where the queue does not answer in time: what the database knows is told nevertheless. */
  private depth(resource: ResourceClass) {
    return answerWithin(2, () => queueDepth(this.queues[resource])).catch(() => null);
  }
}
