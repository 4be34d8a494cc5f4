import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiProduces, ApiQuery, ApiTags } from '@nestjs/swagger';
import { type StreamFrameName, streamFrames } from '@ferment/contracts';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { header } from '../common/validation.js';
import { parseCursor } from './frames.js';
import { Streams } from './streams.service.js';

const cursor = z.string().transform((text, context) => {
  const parsed = parseCursor(text);
  if (parsed) return parsed;
  context.addIssue({ code: 'custom', message: 'expected "<event>.<chunk>", an id of this stream' });
  return z.NEVER;
});
const ids = z.preprocess(
  (value: unknown) => (value === undefined ? [] : [value].flat()),
  z.array(z.uuid()).max(200),
);
const frameNames = Object.keys(streamFrames) as StreamFrameName[];
const frames = z
  .string()
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(frameNames)))
  .default(frameNames);
const streamQuery = z.object({ experiment: ids, job: ids, from: cursor.optional(), frames });

@ApiTags('stream')
@Controller('api/v1/stream')
export class StreamController {
  constructor(private readonly streams: Streams) {}

  @Get()
  @Allow('viewer')
  @ApiProduces('text/event-stream')
  @ApiHeader({
    name: 'Last-Event-ID',
    required: false,
    description: 'Where to go on; browsers send it themselves',
  })
  @ApiQuery({ name: 'experiment', required: false, type: String, isArray: true, format: 'uuid' })
  @ApiQuery({ name: 'job', required: false, type: String, isArray: true, format: 'uuid' })
  @ApiQuery({
    name: 'from',
    required: false,
    type: String,
    description: '<event>.<chunk>; from now when left out',
  })
  @ApiQuery({ name: 'frames', required: false, type: String, description: frameNames.join(',') })
  @Answer(200, 'Events, metric chunks and progress, live; everything when no filter is given')
  async stream(
    @Query({ schema: streamQuery }) query: z.output<typeof streamQuery>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const last = header(request, 'Last-Event-ID', cursor.optional());
    const filter = { experiments: query.experiment, jobs: query.job };
    const wanted = { filter, names: new Set(query.frames), from: last ?? query.from ?? null };
    if (request.method === 'HEAD') response.type('text/event-stream').end();
    else await this.streams.serve(request, response, wanted);
  }
}
