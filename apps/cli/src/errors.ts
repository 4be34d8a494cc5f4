import type { ProblemDetails } from '@ferment/contracts';

/** The request makes no sense as it stands: exit code 2, message only. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Work was asked for rightly and failed: exit code 1, message only. */
export class WorkFailed extends Error {
  override readonly name = 'WorkFailed';
}

/** The API's answer was a refusal or a failure; `problem` is its RFC 9457 body. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    readonly status: number,
    readonly problem: ProblemDetails,
  ) {
    super(problem.detail || problem.title);
  }
}

/** An answer that asking again may change: the API waits for its database, or is asked too often. */
export function isPassing({ status }: ApiError): boolean {
  return status >= 500 || status === 429;
}

/** 0 is never returned: 2 for a request that must be changed, 1 for work or a connection that failed. */
export function exitCodeOf(error: unknown): 1 | 2 {
  if (error instanceof UsageError) return 2;
  if (error instanceof ApiError) return isPassing(error) ? 1 : 2;
  return 1;
}
