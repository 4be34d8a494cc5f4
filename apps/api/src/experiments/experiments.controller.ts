import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiTags } from '@nestjs/swagger';
import {
  bestCheckpoint,
  createProject,
  experimentDetail,
  experimentGraph,
  experimentListItem,
  experimentText,
  identifier,
  jobItem,
  page,
  pageQuery,
  preview,
  project,
  selectMetrics,
  shortSpecText,
  studyHistory,
  submitExperiment,
  trialItem,
} from '@ferment/contracts';
import { Experiments, Projects } from '@ferment/platform';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { callerOf } from '../auth/caller.js';
import { Answer } from '../common/openapi.js';
import { found, Problem } from '../common/problem.js';
import { header } from '../common/validation.js';
import { bestOf } from './best.js';
import { idempotencyKey, Submission } from './submission.service.js';

const id = z.uuid();
const bestQuery = z.object({
  metric: z.enum(selectMetrics).default('validation.macroF1'),
  variant: identifier.optional(),
});

@ApiTags('projects')
@Controller('api/v1/projects')
export class ProjectsController {
  constructor(private readonly projects: Projects) {}

  @Get()
  @Allow('viewer')
  @Answer(200, 'All projects', z.array(project))
  list() {
    return this.projects.list();
  }

  @Post()
  @Allow('researcher')
  @Answer(201, 'The new project', project)
  create(@Body({ schema: createProject }) body: z.output<typeof createProject>) {
    return this.projects.create(body.name);
  }
}

@ApiTags('experiments')
@Controller('api/v1/experiments')
export class ExperimentsController {
  constructor(
    private readonly experiments: Experiments,
    private readonly submission: Submission,
  ) {}

  @Post('preview')
  @Allow('viewer')
  @HttpCode(200)
  @Answer(200, 'What would run: counts, sharing, cached work, estimated compute', preview)
  preview(@Body({ schema: submitExperiment }) body: z.output<typeof submitExperiment>) {
    return this.submission.preview(body);
  }

  @Post()
  @Allow('researcher')
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description: 'Same key, same body: the same experiment',
  })
  @Answer(201, 'The experiment, created with all of its trials and jobs', experimentDetail)
  async create(
    @Body({ schema: submitExperiment }) body: z.output<typeof submitExperiment>,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ) {
    const key = header(request, 'Idempotency-Key', idempotencyKey);
    const owner = found(callerOf(request), 'session').id;
    const created = await this.submission.create(body, key === undefined ? null : `${owner}:${key}`);
    response.setHeader('Location', `/api/v1/experiments/${created.id}`);
    return created;
  }

  @Get()
  @Allow('viewer')
  @Answer(200, 'Experiments, newest first', page(experimentListItem))
  list(@Query({ schema: pageQuery }) query: z.output<typeof pageQuery>) {
    return this.experiments.list(query);
  }

  @Get(':id')
  @Allow('viewer')
  @Answer(200, 'The experiment with its complete spec', experimentDetail)
  async describe(@Param('id', { schema: id }) experiment: string) {
    return found(await this.experiments.describe(experiment), 'experiment');
  }

  @Get(':id/text')
  @Allow('viewer')
  @Answer(
    200,
    'Its spec as text: as it was submitted, or the complete one without its defaults',
    experimentText,
  )
  async text(@Param('id', { schema: id }) experiment: string) {
    const { spec } = found(await this.experiments.describe(experiment), 'experiment');
    const text = await this.experiments.textOf(experiment);
    return { text: text ?? shortSpecText(spec), submitted: text !== null };
  }

  @Get(':id/trials')
  @Allow('viewer')
  @Answer(200, 'Its trials with their figures', z.array(trialItem))
  async trials(@Param('id', { schema: id }) experiment: string) {
    await this.known(experiment);
    return this.experiments.trials(experiment);
  }

  @Get(':id/search')
  @Allow('viewer')
  @Answer(
    200,
    'The configurations of a search, or of an ablation with early stopping, in the order in which they were begun',
    studyHistory,
  )
  async search(@Param('id', { schema: id }) experiment: string) {
    await this.known(experiment);
    const study = await this.experiments.study(experiment);
    if (study) return study;
    throw new Problem(
      'not-found',
      'The experiment is no search and stops nothing early: its spec has neither.',
    );
  }

  @Get(':id/jobs')
  @Allow('viewer')
  @Answer(200, 'The jobs it asks for, shared ones included', z.array(jobItem))
  async jobs(@Param('id', { schema: id }) experiment: string) {
    await this.known(experiment);
    return this.experiments.jobs(experiment);
  }

  @Get(':id/graph')
  @Allow('viewer')
  @Answer(200, 'Its jobs by what they are for, with their states, and what reads what', experimentGraph)
  async graph(@Param('id', { schema: id }) experiment: string) {
    await this.known(experiment);
    return this.experiments.graph(experiment);
  }

  @Get(':id/checkpoints/best')
  @Allow('viewer')
  @Answer(200, 'The best finished result by a validation metric, with its files', bestCheckpoint)
  async best(
    @Param('id', { schema: id }) experiment: string,
    @Query({ schema: bestQuery }) query: z.output<typeof bestQuery>,
  ) {
    const detail = found(await this.experiments.describe(experiment), 'experiment');
    const choice = { ...query, selectedBy: detail.spec.select.metric };
    return bestOf(await this.experiments.trials(experiment), detail.spec.data.dataset, choice);
  }

  /** @throws Problem not-found; what an experiment is in full is not read for that */
  private async known(id: string): Promise<void> {
    found((await this.experiments.exists(id)) || null, 'experiment');
  }
}
