import { problemDetails, type SpecProblem } from '@ferment/contracts';
import type { z } from 'zod';

/** An answer that is not a success, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** One entry for each thing that is wrong with what was sent. */
    readonly problems: readonly SpecProblem[] = [],
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export const api = (path: string) => `/api/v1/${path}`;

async function answer(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(api(path), { credentials: 'same-origin', ...init });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'The API does not answer. Is ferment still running on this machine?');
  }
  if (response.ok) return response;
  const problem = problemDetails.safeParse(await response.json().catch(() => null));
  throw new ApiError(
    response.status,
    problem.success ? problem.data.detail : `The API answered ${response.status}.`,
    problem.success ? problem.data.problems : [],
  );
}

/**
 * Reads JSON under /api/v1 and checks it against its contract.
 *
 * @throws ApiError with the problem's detail; status 0 where the API cannot be reached
 */
export async function read<S extends z.ZodType>(
  path: string,
  schema: S,
  signal?: AbortSignal,
): Promise<z.output<S>> {
  return checked(path, await answer(path, signal ? { signal } : {}), schema);
}

/**
 * Sends JSON under /api/v1 and checks the answer against its contract.
 *
 * @throws ApiError as {@link read} does, with what is wrong field by field
 */
export async function post<S extends z.ZodType>(
  path: string,
  body: unknown,
  schema: S,
  { signal, headers = {} }: { signal?: AbortSignal; headers?: Record<string, string> } = {},
): Promise<z.output<S>> {
  const init: RequestInit = {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  };
  return checked(path, await answer(path, init), schema);
}

/** Sends a request whose answer does not matter. */
export async function send(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<void> {
  const content = { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  await answer(path, { method, ...(body !== undefined && content) });
}

async function checked<S extends z.ZodType>(
  path: string,
  response: Response,
  schema: S,
): Promise<z.output<S>> {
  const parsed = schema.safeParse(await response.json());
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue ? `${issue.path.join('.')}: ${issue.message}` : 'unreadable';
    throw new ApiError(response.status, `The answer of ${path} is not what these pages expect (${where}).`);
  }
  return parsed.data;
}

/** Reads text under /api/v1, as exported tables are. */
export async function readText(path: string): Promise<string> {
  return (await answer(path, {})).text();
}
