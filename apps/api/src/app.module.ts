import { BullModule } from '@nestjs/bullmq';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE } from '@nestjs/core';
import { resourceClasses } from '@ferment/contracts';
import { queueConnection, queueName } from '@ferment/platform';
import { AuthController } from './auth/auth.controller.js';
import { AuthGuard } from './auth/auth.guard.js';
import { ProblemFilter } from './common/exception-filter.js';
import { ProblemValidationPipe } from './common/validation.js';
import { DatasetsController } from './datasets/datasets.controller.js';
import { Ledgers } from './datasets/ledgers.service.js';
import { Uploads } from './datasets/uploads.service.js';
import { VersionsController } from './datasets/versions.controller.js';
import { ExperimentControlController } from './experiments/control.controller.js';
import { ExperimentsController, ProjectsController } from './experiments/experiments.controller.js';
import { Submission } from './experiments/submission.service.js';
import { TablesController } from './experiments/tables.controller.js';
import { ArtifactsController } from './files/artifacts.controller.js';
import { Artifacts } from './files/artifacts.service.js';
import { Downloads } from './files/downloads.service.js';
import { JobsController, MetricsController } from './jobs/jobs.controller.js';
import { TrialsController } from './jobs/trials.controller.js';
import { DoctorController } from './operations/doctor.controller.js';
import { FiguresController } from './operations/figures.controller.js';
import { GarbageController } from './operations/garbage.controller.js';
import { Housekeeping } from './operations/housekeeping.service.js';
import { HealthController, OperationsController } from './operations/operations.controller.js';
import { WorkersController } from './operations/workers.controller.js';
import { Readiness } from './operations/readiness.service.js';
import { Orchestration } from './orchestration/orchestration.service.js';
import { deliveryProvider } from './orchestration/queues.js';
import { StudyAdvance } from './orchestration/study-advance.service.js';
import { TableRefresh } from './orchestration/table-refresh.service.js';
import { PagesController } from './pages/pages.controller.js';
import { Pages } from './pages/pages.service.js';
import { type Foundation, PlatformModule } from './platform.module.js';
import { StreamController } from './stream/stream.controller.js';
import { Streams } from './stream/streams.service.js';

/** The whole application on its foundation. */
@Module({})
export class AppModule {
  static on(foundation: Foundation): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.on(foundation),
        BullModule.forRoot({ connection: queueConnection(foundation.settings.queue) }),
        BullModule.registerQueue(...resourceClasses.map((resource) => ({ name: queueName(resource) }))),
      ],
      controllers: [
        AuthController,
        ProjectsController,
        ExperimentsController,
        ExperimentControlController,
        TablesController,
        TrialsController,
        JobsController,
        GarbageController,
        DoctorController,
        FiguresController,
        MetricsController,
        ArtifactsController,
        DatasetsController,
        VersionsController,
        OperationsController,
        WorkersController,
        HealthController,
        StreamController,
        // Last: it takes every address that no other controller has.
        PagesController,
      ],
      providers: [
        { provide: APP_GUARD, useClass: AuthGuard },
        { provide: APP_PIPE, useClass: ProblemValidationPipe },
        { provide: APP_FILTER, useClass: ProblemFilter },
        Submission,
        Artifacts,
        Downloads,
        Uploads,
        Ledgers,
        Readiness,
        Streams,
        Pages,
        deliveryProvider,
        TableRefresh,
        StudyAdvance,
        Orchestration,
        Housekeeping,
      ],
    };
  }
}
