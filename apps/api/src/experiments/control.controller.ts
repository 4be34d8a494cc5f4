import { Body, Controller, Delete, HttpCode, Param, Patch, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { changeExperiment, experimentDetail, extendExperiment } from '@ferment/contracts';
import { Experiments } from '@ferment/platform';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found, Problem } from '../common/problem.js';
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
    return this.after(experiment, await this.experiments.pause(experiment));
  }

  @Post('resume')
  @HttpCode(200)
  @Answer(200, 'The experiment; its jobs go on from their checkpoints', experimentDetail)
  async resume(@Param('id', { schema: id }) experiment: string) {
    return this.after(experiment, await this.experiments.resume(experiment));
  }

  @Post('cancel')
  @HttpCode(200)
  @Answer(200, 'The experiment; jobs that no other experiment wants are cancelled', experimentDetail)
  async cancel(@Param('id', { schema: id }) experiment: string) {
    return this.after(experiment, await this.experiments.cancel(experiment));
  }

  @Post('extend')
  @HttpCode(200)
  @Answer(200, 'The experiment with more seeds, factors or variants; what it has stays', experimentDetail)
  async extend(
    @Param('id', { schema: id }) experiment: string,
    @Body({ schema: extendExperiment }) body: z.output<typeof extendExperiment>,
  ) {
    await this.submission.extend(found(await this.experiments.describe(experiment), 'experiment'), body);
    return this.after(experiment, true);
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
    return this.after(experiment, await this.experiments.change(experiment, body));
  }

  @Delete()
  @HttpCode(204)
  @Answer(204, 'Forgotten; finished jobs stay for others to use until they are collected')
  async delete(@Param('id', { schema: id }) experiment: string) {
    if (!(await this.experiments.delete(experiment))) throw none();
  }

  private async after(id: string, exists: boolean) {
    if (!exists) throw none();
    return found(await this.experiments.describe(id), 'experiment');
  }
}

function none(): Problem {
  return new Problem('not-found', 'There is no such experiment.');
}
