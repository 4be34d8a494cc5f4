import { StandardSchemaValidationPipe } from '@nestjs/common';
import type { SpecProblem } from '@ferment/contracts';
import { Problem } from './problem.js';

interface Issue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
  /** Present on zod's issues: unknown keys come as one issue that names them all. */
  readonly code?: string;
  readonly keys?: readonly string[];
}

const maximumProblems = 100;

/** What a schema found, one entry for each offending key, with its dotted path. */
export function problemsOf(issues: readonly Issue[]): SpecProblem[] {
  const problems: SpecProblem[] = [];
  for (const issue of issues) {
    const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
    if (issue.code === 'unrecognized_keys' && issue.keys) {
      for (const key of issue.keys) {
        const message = 'unknown key';
        problems.push({ path: [...path, key].join('.'), message, line: null, suggestion: null });
      }
    } else {
      problems.push({ path: path.join('.'), message: issue.message, line: null, suggestion: null });
    }
    if (problems.length >= maximumProblems) break;
  }
  return problems.slice(0, maximumProblems);
}

/** Validates every body, query and parameter by the zod schema in its decorator; 422 with paths otherwise. */
export function validationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({
    exceptionFactory: (issues: readonly Issue[]) => {
      const problems = problemsOf(issues);
      const first = problems[0];
      const where = first && first.path !== '' ? `${first.path}: ` : '';
      return new Problem('invalid', `${where}${first?.message ?? 'not valid'}`, problems);
    },
  });
}
