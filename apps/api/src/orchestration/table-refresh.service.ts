import { Inject, Injectable } from '@nestjs/common';
import { ablationJob } from '@ferment/planner';
import { Experiments, Jobs } from '@ferment/platform';
import { LOGGER, type Logger } from '../common/logging.js';

/**
 * Keeps each experiment's ablation table as new as its results: whenever trials ended, a job with what is there now.
 * The job's key is made of the results, so asking twice for the same table is asking once.
 */
@Injectable()
export class TableRefresh {
  constructor(
    private readonly experiments: Experiments,
    private readonly jobs: Jobs,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Submits the table's job for what has finished; trials that have not ended stand in it as unfinished. */
  async refresh(experimentId: string): Promise<void> {
    const params = await this.experiments.tableInputs(experimentId);
    if (!params) return;
    const { id } = await this.jobs.submit(ablationJob(params));
    await this.experiments.setTable(experimentId, id);
    this.logger.info({ experimentId, jobId: id }, 'table asked for');
  }
}
