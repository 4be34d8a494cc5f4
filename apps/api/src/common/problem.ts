import type { ProblemDetails, SpecProblem } from '@ferment/contracts';

/** The kinds of refusal the API answers with; each is an RFC 9457 type of its own. */
const kinds = {
  'bad-request': { status: 400, title: 'The request could not be read' },
  unauthorized: { status: 401, title: 'A valid token is needed' },
  forbidden: { status: 403, title: 'Not permitted' },
  'not-found': { status: 404, title: 'Not found' },
  conflict: { status: 409, title: 'Conflict' },
  gone: { status: 410, title: 'Gone' },
  'too-large': { status: 413, title: 'Too large' },
  'unsupported-media-type': { status: 415, title: 'Unsupported media type' },
  'range-not-satisfiable': { status: 416, title: 'Range not satisfiable' },
  'wrong-host': { status: 421, title: 'Wrong host' },
  invalid: { status: 422, title: 'The request is not valid' },
  internal: { status: 500, title: 'Something failed on the server' },
  unavailable: { status: 503, title: 'Unavailable' },
} as const;

export type ProblemKind = keyof typeof kinds;

/** A refusal on its way to the client; the exception filter turns it into problem details. */
export class Problem extends Error {
  readonly status: number;

  /**
   * @param kind     decides the status and the type
   * @param detail   one sentence: what was expected and what to do
   * @param problems one entry for each offending field
   * @param retryAfterSeconds with `unavailable`: when it is worth asking again
   */
  constructor(
    readonly kind: ProblemKind,
    detail: string,
    readonly problems: SpecProblem[] = [],
    readonly retryAfterSeconds = 2,
  ) {
    super(detail);
    this.name = 'Problem';
    this.status = kinds[kind].status;
  }

  /** The body of the response, as RFC 9457 and the contracts name its members. */
  toDetails(): ProblemDetails {
    return {
      type: `urn:ferment:problem:${this.kind}`,
      title: kinds[this.kind].title,
      status: this.status,
      detail: this.message,
      ...(this.problems.length > 0 ? { problems: this.problems } : {}),
    };
  }
}

/** The kind whose status comes nearest to an HTTP status that a library chose. */
export function kindOfStatus(status: number): ProblemKind {
  for (const [kind, entry] of Object.entries(kinds)) {
    if (entry.status === status) return kind as ProblemKind;
  }
  return status >= 500 ? 'internal' : 'bad-request';
}

/** The value, or a 404 that names what was looked for. */
export function found<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new Problem('not-found', `There is no such ${what}.`);
  return value;
}

/** A 422 for one field. */
export function invalidField(path: string, message: string, suggestion: string | null = null): Problem {
  return new Problem('invalid', `${path}: ${message}`, [{ path, message, line: null, suggestion }]);
}
