import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';
import type { Logger } from './logging.js';
import { callerOf } from '../auth/caller.js';

const storage = new AsyncLocalStorage<{ requestId: string }>();
/** Asked every few seconds by whoever watches the process. */
const probes = new Set(['/health', '/ready']);
const acceptableId = /^[\w-]{1,64}$/;

/** Id of the request this code runs for; undefined outside requests. */
export function requestId(): string | undefined {
  return storage.getStore()?.requestId;
}

/**
 * Gives each request an id (the client's `X-Request-Id` where it is harmless), returns it, and logs one line at the
 * end. Query strings are left out of the log: a one-time login code travels there.
 */
export function requestContext(logger: Logger) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const given = request.get('x-request-id');
    const id = given !== undefined && acceptableId.test(given) ? given : randomUUID();
    const started = performance.now();
    response.setHeader('X-Request-Id', id);
    const { path } = request;
    response.once('close', () => {
      const milliseconds = Math.round((performance.now() - started) * 10) / 10;
      const { method } = request;
      const line = {
        requestId: id,
        method,
        path,
        status: response.statusCode,
        milliseconds,
        tokenId: callerOf(request)?.id ?? null,
        ...(response.writableFinished ? {} : { cut: true }),
      };
      if (response.statusCode >= 500) logger.error(line, 'request');
      else if (probes.has(path)) logger.debug(line, 'request');
      else logger.info(line, 'request');
    });
    storage.run({ requestId: id }, next);
  };
}
