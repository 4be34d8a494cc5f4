import { Controller, Get, Param, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { sha256 } from '@ferment/contracts';
import type { Request, Response } from 'express';
import { Allow } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { Downloads } from './downloads.service.js';

@ApiTags('artifacts')
@Controller('api/v1/artifacts')
export class ArtifactsController {
  constructor(private readonly downloads: Downloads) {}

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
