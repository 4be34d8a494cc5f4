import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  checkpointItem,
  curveBuckets,
  curvesQuery,
  jobItem,
  jobMetrics,
  metricsQuery,
} from '@ferment/contracts';
import { Curves, Jobs } from '@ferment/platform';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found } from '../common/problem.js';

const id = z.uuid();

@ApiTags('jobs')
@Controller('api/v1/jobs/:id')
@Allow('viewer')
export class JobsController {
  constructor(
    private readonly jobs: Jobs,
    private readonly curves: Curves,
  ) {}

  @Get()
  @Answer(200, 'The job with its attempts and outputs', jobItem)
  async describe(@Param('id', { schema: id }) job: string) {
    return found(await this.jobs.get(job), 'job');
  }

  @Get('metrics')
  @Answer(
    200,
    'Its curve: one row a step, or with "resolution" its series in buckets; and the cursor to follow it live from',
    z.union([jobMetrics, curveBuckets]),
  )
  async metrics(
    @Param('id', { schema: id }) job: string,
    @Query({ schema: metricsQuery }) query: z.output<typeof metricsQuery>,
  ) {
    const { resolution, cursor, width, ...range } = query;
    if (resolution === undefined) return found(await this.curves.rows(job, { ...range, cursor }), 'job');
    const wanted = { ...range, resolution };
    if (cursor !== undefined && width !== undefined)
      return found(await this.curves.bucketsSince(job, wanted, { cursor, width }), 'job');
    const answer = await this.curves.buckets([job], wanted);
    return found(answer.curves.length > 0 ? answer : null, 'job');
  }

  @Get('checkpoints')
  @Answer(200, 'Its kept checkpoints', z.array(checkpointItem))
  async checkpoints(@Param('id', { schema: id }) job: string) {
    return found(await this.jobs.checkpoints(job), 'job');
  }
}

@ApiTags('jobs')
@Controller('api/v1/metrics')
@Allow('viewer')
export class MetricsController {
  constructor(private readonly curves: Curves) {}

  @Get()
  @Answer(200, 'The curves of up to 200 jobs in buckets with shared edges', curveBuckets)
  many(@Query({ schema: curvesQuery }) { job, ...query }: z.output<typeof curvesQuery>) {
    return this.curves.buckets([...new Set(job)], query);
  }
}
