import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { sha256 } from '@ferment/contracts';
import type { ArtifactStore } from '@ferment/platform';
import type { Request, Response } from 'express';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { found } from '../common/problem.js';
import { ARTIFACT_STORE } from '../tokens.js';
import { Downloads } from './downloads.service.js';

@ApiTags('artifacts')
@Controller('api/v1/artifacts')
export class ArtifactsController {
  constructor(
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    private readonly downloads: Downloads,
  ) {}

  @Get(':hash')
  @Allow('viewer', 'worker')
  @Answer(200, 'The bytes', undefined, 'application/octet-stream')
  async read(
    @Param('hash', { schema: sha256 }) hash: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const file = found(await this.store.has(hash), 'artifact');
    await this.downloads.send(request, response, file, hash);
  }
}
