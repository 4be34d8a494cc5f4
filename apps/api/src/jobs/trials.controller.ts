import { Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import {
  bestTrials,
  bestTrialsQuery,
  drawFileName,
  exportCatalog,
  exportFileName,
  exportFormats,
  type BestTrials,
  type JobItem,
  reliability,
  reliabilityQuery,
  type Reliability,
  type TrialComparison,
  type TrialItem,
  trialComparison,
  trialItem,
} from '@ferment/contracts';
import { Experiments, fermentVersion, Jobs } from '@ferment/platform';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found, Problem } from '../common/problem.js';
import { Artifacts, beingMadeAgain } from '../files/artifacts.service.js';
import { readTables } from '../experiments/tables.controller.js';
import { Downloads } from '../files/downloads.service.js';
import { compareTrials } from './compare.js';
import { modelCard } from './model-card.js';
import { evaluatedReliability } from './reliability.js';

const id = z.uuid();
const compareQuery = z.object({
  ids: z
    .string()
    .max(2000)
    .transform((text) => text.split(','))
    .pipe(z.array(z.uuid()).min(2).max(20)),
});
const downloadQuery = z.object({ format: z.enum(exportFormats) });

@ApiTags('trials')
@Controller('api/v1/trials')
@Allow('viewer')
export class TrialsController {
  constructor(
    private readonly experiments: Experiments,
    private readonly jobs: Jobs,
    private readonly downloads: Downloads,
    private readonly artifacts: Artifacts,
  ) {}

  @Get('compare')
  @Answer(200, 'Trials side by side, and what differs in their configuration', trialComparison)
  async compare(
    @Query({ schema: compareQuery }) query: z.output<typeof compareQuery>,
  ): Promise<TrialComparison> {
    const trials = await Promise.all(
      query.ids.map(async (trialId) => {
        const trial = found(await this.experiments.trial(trialId), 'trial');
        return { trial, jobs: await this.jobsOf(trial) };
      }),
    );
    return compareTrials(trials);
  }

  @Get('best')
  @Answer(
    200,
    'The best finished trials of any experiments on a data set, ranked on its validation split, never on test',
    bestTrials,
  )
  best(@Query({ schema: bestTrialsQuery }) query: z.output<typeof bestTrialsQuery>): Promise<BestTrials> {
    return this.experiments.best(query);
  }

  @Get(':id')
  @Answer(200, 'The trial with its figures and files', trialItem)
  async describe(@Param('id', { schema: id }) trial: string) {
    return found(await this.experiments.trial(trial), 'trial');
  }

  @Post(':id/retry')
  @Allow('researcher')
  @HttpCode(200)
  @Answer(200, 'The trial; failed jobs behind it are tried again', trialItem)
  async retry(@Param('id', { schema: id }) trial: string) {
    await this.experiments.retryTrial(trial);
    return found(await this.experiments.trial(trial), 'trial');
  }

  @Get(':id/reliability')
  @Answer(200, 'Accuracy against confidence in the bins of the calibration error, per split', reliability)
  async reliability(
    @Param('id', { schema: id }) trialId: string,
    @Query({ schema: reliabilityQuery }) query: z.output<typeof reliabilityQuery>,
  ) {
    const trial = found(await this.experiments.trial(trialId), 'trial');
    const { spec } = found(await this.experiments.describe(trial.experimentId), 'experiment');
    const dataset = query.dataset ?? spec.data.dataset;
    const jobId = trial.jobs[`evaluate:${dataset}`];
    if (jobId === undefined)
      throw new Problem('not-found', `The trial is not evaluated on a data set ${dataset}.`);
    const told = await this.reliabilityOf(dataset, found(await this.jobs.get(jobId), 'job'));
    if (told) return told;
    throw new Problem('not-found', `The trial has no figures on ${dataset} yet: it is ${trial.state}.`);
  }

  @Get(':id/card')
  @ApiProduces('text/markdown')
  @Answer(
    200,
    'The model card of its result: what it is for, what it was made of, how well it does, its limits',
  )
  async card(@Param('id', { schema: id }) trialId: string, @Res() response: Response): Promise<void> {
    const trial = found(await this.experiments.trial(trialId), 'trial');
    const experiment = found(await this.experiments.describe(trial.experimentId), 'experiment');
    const jobs = await this.jobsOf(trial);
    const { dataset } = experiment.spec.data;
    const evaluated = jobs[`evaluate:${dataset}`];
    const card = modelCard({
      ...{ experiment, trial, jobs, version: fermentVersion() },
      table: experiment.table && readTables(await this.artifacts.read(experiment.table.hash)),
      reliability: evaluated ? await this.reliabilityOf(dataset, evaluated) : null,
    });
    const name = `${experiment.name}-${trial.variant}-${drawFileName(trial)}.md`;
    response.type('text/markdown; charset=utf-8').attachment(name).send(card);
  }

  /** Null while the evaluation has not ended. */
  private async reliabilityOf(dataset: string, { outputs }: JobItem): Promise<Reliability | null> {
    const file = outputs['logits'];
    return file ? evaluatedReliability(dataset, await this.artifacts.read(file.hash)) : null;
  }

  private async jobsOf(trial: TrialItem): Promise<Record<string, JobItem>> {
    const jobs: Record<string, JobItem> = {};
    for (const [role, jobId] of Object.entries(trial.jobs)) {
      jobs[role] = found(await this.jobs.get(jobId), 'job');
    }
    return jobs;
  }

  @Get(':id/download')
  @Answer(200, 'The result as a file', undefined, 'application/octet-stream')
  async download(
    @Param('id', { schema: id }) trialId: string,
    @Query({ schema: downloadQuery }) query: z.output<typeof downloadQuery>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const trial = found(await this.experiments.trial(trialId), 'trial');
    const file = trial.downloads[query.format];
    if (!file) {
      const { export: exportId } = trial.jobs;
      const made = exportId === undefined ? null : await this.jobs.get(exportId);
      // A job that has outputs and is not finished had been: it makes them again.
      if (made?.outputs[query.format]) throw beingMadeAgain();
      throw new Problem('not-found', `The trial has no ${query.format} file yet: it is ${trial.state}.`);
    }
    const experiment = found(await this.experiments.describe(trial.experimentId), 'experiment');
    const { mediaType } = exportCatalog[query.format];
    const fileName = exportFileName(experiment.name, trial, query.format);
    await this.downloads.send(request, response, file.hash, { name: fileName, mediaType });
  }
}
