import { Controller, Get, Param, Query, Res } from '@nestjs/common';
import { ApiProduces, ApiTags } from '@nestjs/swagger';
import {
  attemptLog,
  checkpointItem,
  curveBuckets,
  curvesQuery,
  jobItem,
  jobMetrics,
  logsQuery,
  logText,
  metricsQuery,
} from '@ferment/contracts';
import { ArtifactCorrupt, ArtifactMissing, AttemptLogs, Curves, Jobs } from '@ferment/platform';
import type { Response } from 'express';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found, Problem } from '../common/problem.js';

const id = z.uuid();
const attemptNumber = z.coerce.number().int().min(1).max(2_147_483_647);

@ApiTags('jobs')
@Controller('api/v1/jobs/:id')
@Allow('viewer')
export class JobsController {
  constructor(
    private readonly jobs: Jobs,
    private readonly curves: Curves,
    private readonly logs: AttemptLogs,
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

  @Get('attempts/:attempt/logs')
  @ApiProduces('application/json', 'text/plain')
  @Answer(200, 'What an attempt wrote, also while it runs; "cursor" goes on after what is known', attemptLog)
  async log(
    @Param('id', { schema: id }) job: string,
    @Param('attempt', { schema: attemptNumber }) attempt: number,
    @Query({ schema: logsQuery }) { format, ...part }: z.output<typeof logsQuery>,
    @Res() response: Response,
  ): Promise<void> {
    const answer = found(await this.logs.read(job, attempt, part).catch(lostLog), 'attempt');
    if (format === 'json') response.json(answer);
    else
      response
        .type('text/plain; charset=utf-8')
        .setHeader('X-Ferment-Cursor', String(answer.cursor))
        .send(answer.lines.map((line) => `${logText(line)}\n`).join(''));
  }

  @Get('checkpoints')
  @Answer(200, 'Its kept checkpoints', z.array(checkpointItem))
  async checkpoints(@Param('id', { schema: id }) job: string) {
    return found(await this.jobs.checkpoints(job), 'job');
  }
}

function lostLog(error: unknown): never {
  if (error instanceof ArtifactMissing || error instanceof ArtifactCorrupt)
    throw new Problem('gone', 'The file of this log is missing or was found damaged and put aside.');
  throw error;
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
