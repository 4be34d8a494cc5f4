import { type DynamicModule, Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import {
  ArtifactRecords,
  type ArtifactStore,
  AttemptLogs,
  Curves,
  Database,
  Datasets,
  EventFeed,
  Experiments,
  GarbageCollector,
  Jobs,
  Projects,
  type Settings,
  Tokens,
  Workers,
} from '@ferment/platform';
import { LOGGER, type Logger } from './common/logging.js';
import { ARTIFACT_STORE, SETTINGS } from './tokens.js';

/** What the API stands on; opened before Nest starts, so that a wrong setting is an error at the start. */
export interface Foundation {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly database: Database;
  readonly store: ArtifactStore;
}

const repositories = [Projects, Experiments, Jobs, Datasets, Workers, Tokens];

/** Gives the platform's classes to every module, and lets go of them in order. */
@Global()
@Module({})
export class PlatformModule implements OnApplicationShutdown {
  constructor(
    private readonly database: Database,
    private readonly feed: EventFeed,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  static on(foundation: Foundation): DynamicModule {
    const { settings, logger, database, store } = foundation;
    const providers = [
      { provide: SETTINGS, useValue: settings },
      { provide: LOGGER, useValue: logger },
      { provide: ARTIFACT_STORE, useValue: store },
      { provide: Database, useValue: database },
      { provide: GarbageCollector, useFactory: () => new GarbageCollector(database, store) },
      { provide: ArtifactRecords, useFactory: () => new ArtifactRecords(database, store) },
      ...repositories.map((repository) => ({
        provide: repository,
        useFactory: () => new repository(database),
      })),
      { provide: Curves, useFactory: () => new Curves(database, store) },
      { provide: AttemptLogs, useFactory: () => new AttemptLogs(database, store) },
      {
        provide: EventFeed,
        useFactory: async () => {
          const feed = new EventFeed(settings.databaseUrl);
          await feed.start();
          return feed;
        },
      },
    ];
    return { module: PlatformModule, providers, exports: providers.map(({ provide }) => provide) };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.feed.stop();
    await this.database.close();
    this.logger.info({}, 'stopped');
  }
}
