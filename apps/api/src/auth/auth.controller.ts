import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { createdToken, createToken, loginAddress, sessionInfo, tokenItem } from '@ferment/contracts';
import { Tokens } from '@ferment/platform';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { found, Problem } from '../common/problem.js';
import { Answer } from '../common/openapi.js';
import { Allow, Public } from './allow.js';
import { callerOf } from './caller.js';
import { sessionCookie } from './credentials.js';

const loginQuery = z.object({ code: z.string().min(1).max(256) });

/** Tokens, and the one-time address that gives a browser its session cookie. */
@ApiTags('access')
@Controller()
export class AuthController {
  constructor(private readonly tokens: Tokens) {}

  @Get('api/v1/tokens')
  @Allow('admin')
  @Answer(200, 'All tokens, without their secrets', z.array(tokenItem))
  list() {
    return this.tokens.list();
  }

  @Post('api/v1/tokens')
  @Allow('admin')
  @Answer(201, 'The new token; its secret is shown only here', createdToken)
  create(@Body({ schema: createToken }) body: z.output<typeof createToken>) {
    return this.tokens.create(body);
  }

  @Delete('api/v1/tokens/:id')
  @Allow('admin')
  @HttpCode(204)
  @Answer(204, 'Revoked; sessions made from it end too')
  async revoke(@Param('id', { schema: z.uuid() }) id: string): Promise<void> {
    if (!(await this.tokens.revoke(id))) throw new Problem('not-found', 'There is no such token.');
  }

  @Get('api/v1/session')
  @Allow('viewer', 'worker')
  @Answer(200, 'Who the caller is', sessionInfo)
  session(@Req() request: Request): z.output<typeof sessionInfo> {
    const { name, role, by } = found(callerOf(request), 'session');
    return { name, role, by };
  }

  @Post('api/v1/logins')
  @Allow('viewer')
  @Answer(
    201,
    'A one-time address for the browser, with the rights of the token that asked for it',
    loginAddress,
  )
  async login(@Req() request: Request): Promise<z.output<typeof loginAddress>> {
    const login = await this.tokens.createLogin(found(callerOf(request), 'session').id);
    return { path: `/login?code=${encodeURIComponent(login.code)}`, expiresAt: login.expiresAt };
  }

  @Get('login')
  @Public()
  @Answer(303, 'To the dashboard, with the session cookie')
  async redeem(
    @Query({ schema: loginQuery }) { code }: z.output<typeof loginQuery>,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const session = await this.tokens.redeemLogin(code);
    if (!session) {
      throw new Problem(
        'unauthorized',
        'This login address was used already or has run out; ask for a new one.',
      );
    }
    response.cookie(sessionCookie, session.token, {
      httpOnly: true,
      sameSite: 'strict',
      secure: request.secure,
      path: '/',
      expires: new Date(session.expiresAt),
    });
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Referrer-Policy', 'no-referrer');
    response.redirect(303, '/');
  }
}
