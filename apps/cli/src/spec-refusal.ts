import { basename } from 'node:path';
import { formatProblem } from '@ferment/contracts';
import { ApiError, UsageError } from './errors.js';

/** Turns the API's refusal of a spec into one line per problem: `spec.yaml:14 path: message. Did you mean "…"?` */
export function specRefusal(file: string): (error: unknown) => never {
  const name = file === '-' ? 'spec' : basename(file);
  return (error) => {
    const problems = error instanceof ApiError ? error.problem.problems : undefined;
    if (!problems || problems.length === 0) throw error;
    throw new UsageError(problems.map((problem) => formatProblem(problem, name)).join('\n'), {
      cause: error,
    });
  };
}
