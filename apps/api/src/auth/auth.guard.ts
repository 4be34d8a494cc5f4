import { type CanActivate, type ExecutionContext, Inject, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { Tokens } from '@ferment/platform';
import type { Request } from 'express';
import { LOGGER, type Logger } from '../common/logging.js';
import { Problem } from '../common/problem.js';
import { ACCESS, type Access, permits } from './allow.js';
import { type Caller, setCaller } from './caller.js';
import { credentials, sameOrigin } from './credentials.js';

/**
 * Default-deny: an address without `@Allow` or `@Public` is closed to everybody. 401 and 403 say nothing about what
 * stands behind the address, since they are given before anything is looked up.
 */
@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: Tokens,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (access?.public) return true;
    const request = context.switchToHttp().getRequest<Request>();
    const caller = await this.identify(request);
    if (!caller) {
      this.log(request, null, 'no valid token');
      throw new Problem('unauthorized', 'Send a valid token as "Authorization: Bearer <token>", or log in.');
    }
    setCaller(request, caller);
    if (caller.by === 'cookie' && !sameOrigin(request)) {
      this.log(request, caller, 'changing request with the cookie from another origin');
      throw new Problem('forbidden', 'This request is not permitted.');
    }
    if (!access || !permits(access.roles, caller.role)) {
      this.log(request, caller, 'beyond the role');
      throw new Problem('forbidden', 'This request is not permitted.');
    }
    return true;
  }

  private async identify(request: Request): Promise<Caller | null> {
    const given = credentials(request);
    if (!given) return null;
    const token = await this.tokens.verify(given.secret);
    return token ? { ...token, by: given.by } : null;
  }

  private log(request: Request, caller: Caller | null, reason: string): void {
    const { method, path, ip } = request;
    const fields = {
      method,
      path,
      ip,
      tokenId: caller?.id ?? null,
      role: caller?.role ?? null,
    };
    this.logger.warn({ ...fields, reason }, 'refused');
  }
}
