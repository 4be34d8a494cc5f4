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

/** What every line that is logged for a request carries. */
export function requestIds(): { requestId?: string } {
  const id = requestId();
  return id === undefined ? {} : { requestId: id };
}

/** Ids that stand in the path of a request, under the names that they have in all logs. */
export function idsIn(path: string): Record<string, string | number> {
  const ids: Record<string, string | number> = {};
  for (const [, place = '', id = ''] of path.matchAll(
    /\/(experiments|trials|jobs|workers|attempts)\/([^/]+)/g,
  )) {
    if (place === 'attempts') {
      if (/^\d{1,9}$/.test(id)) ids['attempt'] = Number(id);
    } else if (place === 'workers') ids['workerId'] = id;
    else if (/^[0-9a-f-]{36}$/.test(id)) ids[`${place.slice(0, -1)}Id`] = id;
  }
  return ids;
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
    const done = (): void => {
      const milliseconds = Math.round((performance.now() - started) * 10) / 10;
      const { method } = request;
      const line = {
        ...idsIn(path),
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
    };
    // The connection's end belongs to no request, or to an earlier one of the same connection.
    response.once('close', () => storage.run({ requestId: id }, done));
    storage.run({ requestId: id }, next);
  };
}
