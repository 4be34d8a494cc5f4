import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import {
  type ArtifactStore,
  Compactor,
  Database,
  type Delivery,
  Dispatcher,
  Reconciler,
  type Settings,
} from '@ferment/platform';
import { LOGGER, type Logger } from '../common/logging.js';
import { ARTIFACT_STORE, SETTINGS } from '../tokens.js';
import { DELIVERY } from './queues.js';
import { StudyAdvance } from './study-advance.service.js';
import { TableRefresh } from './table-refresh.service.js';

/** Runs dispatcher, reconciler and compactor with the process; of several replicas the database lets one of each work. */
@Injectable()
export class Orchestration implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly dispatcher: Dispatcher;
  private readonly reconciler: Reconciler;
  private readonly compactor: Compactor;

  constructor(
    database: Database,
    tables: TableRefresh,
    studies: StudyAdvance,
    @Inject(DELIVERY) delivery: Delivery,
    @Inject(ARTIFACT_STORE) store: ArtifactStore,
    @Inject(LOGGER) logger: Logger,
    @Inject(SETTINGS) settings: Settings,
  ) {
    const onTrialEnded = (experimentId: string) => tables.refresh(experimentId);
    const onStudyDue = (experimentId: string) => studies.advance(experimentId);
    const { leaseSeconds } = settings;
    this.dispatcher = new Dispatcher(database, { delivery, onTrialEnded, onStudyDue, log: logger });
    this.reconciler = new Reconciler(database, { delivery, log: logger, leaseSeconds });
    this.compactor = new Compactor(database, { store, log: logger });
  }

  onApplicationBootstrap(): void {
    this.dispatcher.start();
    this.reconciler.start();
    this.compactor.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.compactor.stop();
    await this.reconciler.stop();
    await this.dispatcher.stop();
  }
}
