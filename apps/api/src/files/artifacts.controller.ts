import { Controller, Get, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiTags } from '@nestjs/swagger';
import { artifactReference, sha256 } from '@ferment/contracts';
import type { Request, Response } from 'express';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { Uploads } from '../datasets/uploads.service.js';
import { Downloads } from './downloads.service.js';

@ApiTags('artifacts')
@Controller('api/v1/artifacts')
export class ArtifactsController {
  constructor(
    private readonly downloads: Downloads,
    private readonly uploads: Uploads,
  ) {}

  @Post()
  @Allow('researcher')
  @HttpCode(201)
  @ApiConsumes('application/octet-stream')
  @ApiBody({
    description: 'The file itself, such as weights as safetensors that a spec then names by the hash',
    schema: { type: 'string', format: 'binary' },
  })
  @Answer(201, 'The file is stored', artifactReference)
  upload(@Req() request: Request) {
    return this.uploads.put(request);
  }

  @Get(':hash')
  @Allow('viewer', 'worker')
  @Answer(200, 'The bytes', undefined, 'application/octet-stream')
  async read(
    @Param('hash', { schema: sha256 }) hash: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    await this.downloads.send(request, response, hash, { name: hash });
  }
}
