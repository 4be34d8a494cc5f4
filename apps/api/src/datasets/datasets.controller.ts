import { Controller, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import { datasetItem, identifier, importQuery, importStarted } from '@ferment/contracts';
import { Datasets } from '@ferment/platform';
import type { Request } from 'express';
import { z } from 'zod';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found } from '../common/problem.js';
import { Uploads } from './uploads.service.js';

@ApiTags('data sets')
@Controller('api/v1/datasets')
export class DatasetsController {
  constructor(
    private readonly datasets: Datasets,
    private readonly uploads: Uploads,
  ) {}

  @Get()
  @Allow('viewer')
  @Answer(200, 'All data sets with their versions, newest first', z.array(datasetItem))
  list() {
    return this.datasets.list();
  }

  @Get(':name')
  @Allow('viewer')
  @Answer(200, 'The data set with its versions, newest first', datasetItem)
  async describe(@Param('name', { schema: identifier }) name: string) {
    return found(await this.datasets.get(name), 'data set');
  }

  @Post(':name/versions')
  @Allow('researcher')
  @HttpCode(202)
  @ApiConsumes('application/octet-stream')
  @ApiBody({
    description: 'The file itself: csv, or a tar archive of pictures, each perhaps gzipped',
    schema: { type: 'string', format: 'binary' },
  })
  @Answer(202, 'The file is stored and its import is a job', importStarted)
  import(
    @Param('name', { schema: identifier }) name: string,
    @Query({ schema: importQuery }) query: z.output<typeof importQuery>,
    @Req() request: Request,
  ) {
    return this.uploads.import(name, query, request);
  }
}
