import { Body, Controller, Delete, HttpCode, Param, Patch, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { changeExperiment, experimentDetail, extendExperiment } from '@ferment/contracts';
import { Experiments } from '@ferment/platform';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found } from '../common/problem.js';
import { Submission } from './submission.service.js';

const id = z.uuid();

/** What may be done to an experiment that exists. Every address may be called again without harm. */
@ApiTags('experiments')
@Controller('api/v1/experiments/:id')
@Allow('researcher')
export class ExperimentControlController {
  constructor(
    private readonly experiments: Experiments,
    private readonly submission: Submission,
  ) {}

  @Post('pause')
  @HttpCode(200)
  @Answer(200, 'The experiment; jobs that run for it alone write a checkpoint and stop', experimentDetail)
  async pause(@Param('id', { schema: id }) experiment: string) {
    await this.experiments.pause(experiment);
    return this.describe(experiment);
  }

  @Post('resume')
  @HttpCode(200)
  @Answer(200, 'The experiment; its jobs go on from their checkpoints', experimentDetail)
  async resume(@Param('id', { schema: id }) experiment: string) {
    await this.experiments.resume(experiment);
    return this.describe(experiment);
  }

  @Post('cancel')
  @HttpCode(200)
  @Answer(200, 'The experiment; jobs that no other experiment wants are cancelled', experimentDetail)
  async cancel(@Param('id', { schema: id }) experiment: string) {
    await this.experiments.cancel(experiment);
    return this.describe(experiment);
  }

  @Post('extend')
  @HttpCode(200)
  @Answer(200, 'The experiment with more seeds, factors or variants; what it has stays', experimentDetail)
  async extend(
    @Param('id', { schema: id }) experiment: string,
    @Body({ schema: extendExperiment }) body: z.output<typeof extendExperiment>,
  ) {
    await this.submission.extend(await this.describe(experiment), body);
    return this.describe(experiment);
  }

  @Patch()
  @Answer(
    200,
    'The experiment with other priority, limits, description, tags or place in lists',
    experimentDetail,
  )
  async change(
    @Param('id', { schema: id }) experiment: string,
    @Body({ schema: changeExperiment }) body: z.output<typeof changeExperiment>,
  ) {
    await this.experiments.change(experiment, body);
    return this.describe(experiment);
  }

  @Delete()
  @HttpCode(204)
  @Answer(204, 'Forgotten; finished jobs stay for others to use until they are collected')
  async delete(@Param('id', { schema: id }) experiment: string) {
    found((await this.experiments.delete(experiment)) || null, 'experiment');
  }

  /** Of what is not there, nothing was changed. */
  private async describe(id: string) {
    return found(await this.experiments.describe(id), 'experiment');
  }
}
