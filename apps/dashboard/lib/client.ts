import { problemDetails } from '@ferment/contracts';
import type { z } from 'zod';

/** An answer that is not a success, or no answer at all (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
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
  const response = await answer(path, signal ? { signal } : {});
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
