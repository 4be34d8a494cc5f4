import { Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { workerItem } from '@ferment/contracts';
import { Workers } from '@ferment/platform';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found, Problem } from '../common/problem.js';

const id = z.string().min(1).max(200);

/** What workers are and run; takes them out of service and back. */
@ApiTags('operations')
@Controller('api/v1/workers')
@Allow('admin')
export class WorkersController {
  constructor(private readonly workers: Workers) {}

  @Get()
  @Allow('viewer')
  @Answer(200, 'Workers, what they are and what they run', z.array(workerItem))
  list() {
    return this.workers.list();
  }

  @Get(':id')
  @Allow('viewer')
  @Answer(200, 'The worker', workerItem)
  async get(@Param('id', { schema: id }) worker: string) {
    return found(await this.workers.get(worker), 'worker');
  }

  @Post(':id/drain')
  @HttpCode(200)
  @Answer(
    200,
    'The worker: it gets nothing new, and hands back what it runs at the next checkpoint',
    workerItem,
  )
  async drain(@Param('id', { schema: id }) worker: string) {
    await this.workers.drain(worker);
    return this.active(worker);
  }

  @Post(':id/resume')
  @HttpCode(200)
  @Answer(200, 'The worker: it gets jobs again', workerItem)
  async resume(@Param('id', { schema: id }) worker: string) {
    await this.workers.resume(worker);
    return this.active(worker);
  }

  private async active(worker: string) {
    const item = found(await this.workers.get(worker), 'worker');
    if (item.state === 'gone') throw new Problem('conflict', 'This worker has stopped.');
    return item;
  }
}
