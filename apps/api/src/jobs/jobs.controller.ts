import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { checkpointItem, jobItem, jobMetrics, metricsQuery } from '@ferment/contracts';
import { Jobs } from '@ferment/platform';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found } from '../common/problem.js';

const id = z.uuid();

@ApiTags('jobs')
@Controller('api/v1/jobs/:id')
@Allow('viewer')
export class JobsController {
  constructor(private readonly jobs: Jobs) {}

  @Get()
  @Answer(200, 'The job with its attempts and outputs', jobItem)
  async describe(@Param('id', { schema: id }) job: string) {
    return found(await this.jobs.get(job), 'job');
  }

  @Get('metrics')
  @Answer(200, 'Its curve, one row a step, and the cursor to follow it live from', jobMetrics)
  async metrics(
    @Param('id', { schema: id }) job: string,
    @Query({ schema: metricsQuery }) range: z.output<typeof metricsQuery>,
  ) {
    return found(await this.jobs.metrics(job, range.from, range.to), 'job');
  }

  @Get('checkpoints')
  @Answer(200, 'Its kept checkpoints', z.array(checkpointItem))
  async checkpoints(@Param('id', { schema: id }) job: string) {
    return found(await this.jobs.checkpoints(job), 'job');
  }
}
