import { BullModule, getQueueToken } from '@nestjs/bullmq';
import {
  Inject,
  Injectable,
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type FactoryProvider,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import type { ResourceClass, WorkerFacts } from '@ferment/contracts';
import { queueConnection, queueName, Workers, type QueueSettings } from '@ferment/platform';
import type { Queue } from 'bullmq';
import { JobRunner } from './job-runner.js';
import { processorOf, WORKER_LOG } from './processors.js';
import { describe, persist } from './retry.js';
import type { Log } from './truth.js';
import { WORKER_IDENTITY, type WorkerIdentity } from './identity.js';

/** Time that running attempts get to save their state when the worker is told to end. */
const closingSeconds = 8;

const factsMilliseconds = 60_000;
/** Injection token of what tells the worker's facts as they are now. */
const WORKER_FACTS = Symbol('worker facts');

/** Keeps the worker's heartbeat, tells its facts now and then, and lets it go in order. */
@Injectable()
export class WorkerLife implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private telling: NodeJS.Timeout | null = null;

  constructor(
    @Inject(JobRunner) private readonly runner: JobRunner,
    @Inject(Workers) private readonly workers: Workers,
    @Inject(WORKER_IDENTITY) private readonly identity: WorkerIdentity,
    @Inject(WORKER_FACTS) private readonly facts: () => Promise<WorkerFacts>,
    @Inject(WORKER_LOG) private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.runner.leases.start();
    this.telling = setInterval(() => void this.tell(), factsMilliseconds);
    this.log.info({ slots: this.identity.slots }, 'worker ready');
  }

  async beforeApplicationShutdown(): Promise<void> {
    const { id } = this.identity;
    if (this.telling !== null) clearInterval(this.telling);
    // Both are courtesies: without them the lease and the missing heartbeat tell the same, later.
    const courtesy = (what: string, call: () => Promise<unknown>): Promise<unknown> =>
      persist(call, what, this.log, AbortSignal.timeout(1000)).catch(() => undefined);
    await courtesy('draining', () => this.workers.drain(id));
    await this.runner.close(closingSeconds);
    await courtesy('leaving', () => this.workers.leave(id));
  }

  /** Clocks drift: what was true at the start is told anew. Nothing depends on it. */
  private async tell(): Promise<void> {
    try {
      await this.workers.tell(this.identity.id, await this.facts());
    } catch (error) {
      this.log.debug({ error: describe(error) }, 'facts not told');
    }
  }
}

export interface WorkerParts {
  queue: QueueSettings;
  runner: JobRunner;
  workers: Workers;
  identity: WorkerIdentity;
  facts: () => Promise<WorkerFacts>;
  log: Log;
}

/** Nest opens a queue beside each consumer; its connection's errors are the consumer's too, which reports them. */
function hearErrors(resource: ResourceClass): FactoryProvider {
  return {
    provide: `errors of ${resource}`,
    inject: [getQueueToken(queueName(resource))],
    useFactory: (queue: Queue) => queue.on('error', () => undefined),
  };
}

@Module({})
export class WorkerModule {
  /** One queue for each class of resource that this worker has. */
  static with({ queue, runner, workers, identity, facts, log }: WorkerParts): DynamicModule {
    const slots = Object.entries(identity.slots) as ['cpu' | 'gpu' | 'light', number][];
    return {
      module: WorkerModule,
      imports: [
        BullModule.forRoot({ connection: queueConnection(queue) }),
        BullModule.registerQueue(...slots.map(([resource]) => ({ name: queueName(resource) }))),
      ],
      providers: [
        { provide: JobRunner, useValue: runner },
        { provide: Workers, useValue: workers },
        { provide: WORKER_IDENTITY, useValue: identity },
        { provide: WORKER_FACTS, useValue: facts },
        { provide: WORKER_LOG, useValue: log },
        WorkerLife,
        ...slots.map(([resource]) => hearErrors(resource)),
        ...slots.map(([resource, count]) => processorOf(resource, count)),
      ],
    };
  }
}
