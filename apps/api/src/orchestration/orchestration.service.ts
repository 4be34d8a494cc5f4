import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Database, type Delivery, Dispatcher, Reconciler } from '@ferment/platform';
import { LOGGER, type Logger } from '../common/logging.js';
import { DELIVERY } from './queues.js';
import { TableRefresh } from './table-refresh.service.js';

/** Runs the dispatcher and the reconciler with the process; of several replicas the database lets one of each work. */
@Injectable()
export class Orchestration implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly dispatcher: Dispatcher;
  private readonly reconciler: Reconciler;

  constructor(
    database: Database,
    tables: TableRefresh,
    @Inject(DELIVERY) delivery: Delivery,
    @Inject(LOGGER) logger: Logger,
  ) {
    const onTrialEnded = (experimentId: string) => tables.refresh(experimentId);
    this.dispatcher = new Dispatcher(database, { delivery, onTrialEnded, log: logger });
    this.reconciler = new Reconciler(database, { delivery, log: logger });
  }

  onApplicationBootstrap(): void {
    this.dispatcher.start();
    this.reconciler.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.reconciler.stop();
    await this.dispatcher.stop();
  }
}
