import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Inject } from '@nestjs/common';
import { Conflict, CurveLost, NotFound, StoreEmpty } from '@ferment/platform';
import type { Response } from 'express';
import { LOGGER, type Logger } from './logging.js';
import { kindOfStatus, Problem } from './problem.js';
import { requestId } from './request-context.js';

/** Every error becomes problem details; what the server did not foresee is logged and answered without inner detail. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(@Inject(LOGGER) private readonly logger: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>();
    const problem = this.problemOf(error);
    if (response.headersSent) {
      // Part of a download is on its way: only cutting the connection tells the client that it is not whole.
      response.destroy(error instanceof Error ? error : undefined);
      return;
    }
    if (problem.kind === 'unauthorized') response.setHeader('WWW-Authenticate', 'Bearer realm="ferment"');
    if (problem.kind === 'unavailable') {
      response.setHeader('Retry-After', String(problem.retryAfterSeconds));
    }
    response.setHeader('Cache-Control', 'no-store');
    response
      .status(problem.status)
      .type('application/problem+json')
      .send(JSON.stringify(problem.toDetails()));
  }

  private problemOf(error: unknown): Problem {
    if (error instanceof Problem) return error;
    if (error instanceof HttpException) return new Problem(kindOfStatus(error.getStatus()), error.message);
    if (error instanceof Conflict || error instanceof StoreEmpty)
      return new Problem('conflict', error.message);
    if (error instanceof NotFound) return new Problem('not-found', error.message);
    if (error instanceof CurveLost) {
      this.logger.error({ err: error }, 'a stored curve is lost');
      return new Problem(
        'not-found',
        `The file of this job's curve is missing or damaged; its summaries are still there.`,
      );
    }
    const status = httpErrorStatus(error);
    if (status !== null && error instanceof Error) return new Problem(kindOfStatus(status), error.message);
    if (isOutage(error)) {
      this.logger.warn({ err: error }, 'request failed: a service is away');
      return new Problem(
        'unavailable',
        'A service that this needs does not answer now; try again in a few seconds.',
      );
    }
    this.logger.error({ err: error }, 'request failed');
    return new Problem(
      'internal',
      `The request failed on the server. The server's log has the reason under request ${requestId() ?? '?'}.`,
    );
  }
}

/** Connection refused, lost or not answered; PostgreSQL stopping (57P01, 57P02), starting (57P03) or full (53300). */
const outages =
  /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|57P0[123]|53300|08\d{3}|P1001|P1002|P1017)$/;

/** True if database or store are away, which passes by itself. Errors wrap others as `cause` or in `errors`. */
function isOutage(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 4) return false;
  if ('code' in error && typeof error.code === 'string' && outages.test(error.code)) return true;
  if (error instanceof Error && /^Connection terminated/.test(error.message)) return true;
  if (error instanceof AggregateError) return error.errors.some((item) => isOutage(item, depth + 1));
  return 'cause' in error && isOutage(error.cause, depth + 1);
}

/** Status of an error made for clients by express or one of its parsers ("http-errors": `expose` is true below 500). */
function httpErrorStatus(error: unknown): number | null {
  if (typeof error !== 'object' || error === null) return null;
  if (!('expose' in error && 'status' in error)) return null;
  return error.expose === true && typeof error.status === 'number' ? error.status : null;
}
