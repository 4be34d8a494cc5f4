import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { GarbageCollector } from '@ferment/platform';
import { LOGGER, type Logger } from '../common/logging.js';

const everyMilliseconds = 10 * 60_000;

/** Notes now and then what has become of no use, so that its grace begins; only `gc` deletes. */
@Injectable()
export class Housekeeping implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;
  private working: Promise<void> = Promise.resolve();

  constructor(
    private readonly collector: GarbageCollector,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.working = this.collector.mark().catch((error: unknown) => {
        this.logger.warn({ err: error }, 'what is of no use could not be looked for');
      });
    }, everyMilliseconds);
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    await this.working;
  }
}
