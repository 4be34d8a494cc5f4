import { All, Controller, Get, Next, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { NextFunction, Request, Response } from 'express';
import { Allow, Public } from '../auth/allow.js';
import { Problem } from '../common/problem.js';
import { Pages } from './pages.service.js';

/** The last of all addresses: unknown ones under /api, then the dashboard's files. */
@ApiExcludeController()
@Controller()
export class PagesController {
  constructor(private readonly pages: Pages) {}

  @All('api/*path')
  @Allow('viewer', 'worker')
  unknown(): never {
    throw new Problem('not-found', 'There is no such address; /docs lists them.');
  }

  @Get(['/', '*path'])
  @Public()
  async page(@Req() request: Request, @Res() response: Response, @Next() next: NextFunction): Promise<void> {
    await this.pages.send(request, response, next);
  }
}
