import { Controller, Get, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { catalog, readiness } from '@ferment/contracts';
import type { Response } from 'express';
import { Allow, Public } from '../auth/allow.js';
import { Answer } from '../common/openapi.js';
import { catalogOfThis } from './catalog.js';
import { Readiness } from './readiness.service.js';

@ApiTags('operations')
@Controller('api/v1')
export class OperationsController {
  @Get('catalog')
  @Allow('viewer', 'worker')
  @Answer(200, 'What this installation can do', catalog)
  catalog() {
    return catalogOfThis;
  }
}

/** For load balancers and process managers: no token, and no address named. */
@ApiTags('operations')
@Controller()
@Public()
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('health')
  @Answer(200, 'The process answers')
  health() {
    return { status: 'ok' };
  }

  @Get('ready')
  @Answer(200, 'Database, queue and artifact store answer; 503 where one does not, with why', readiness)
  async ready(@Res({ passthrough: true }) response: Response) {
    const parts = await this.readiness.check();
    const ready = Object.values(parts).every((state) => state === 'ok');
    response.status(ready ? 200 : 503);
    response.setHeader('Cache-Control', 'no-store');
    return { status: ready ? 'ok' : 'unavailable', parts };
  }
}
