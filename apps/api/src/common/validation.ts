import { type ArgumentMetadata, StandardSchemaValidationPipe } from '@nestjs/common';
import type { SpecProblem } from '@ferment/contracts';
import type { Request } from 'express';
import type { z } from 'zod';
import { Problem } from './problem.js';

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
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
export class ProblemValidationPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({ exceptionFactory: (issues: readonly Issue[]) => invalid(problemsOf(issues)) });
  }

  /** As Nest's own, with the parameter's name in front of the paths. */
  override async transform<T>(value: T, metadata: ArgumentMetadata): Promise<T> {
    try {
      return await super.transform(value, metadata);
    } catch (error) {
      const name = metadata.data;
      if (!(error instanceof Problem) || name === undefined) throw error;
      const under = (path: string): string => (path === '' ? name : `${name}.${path}`);
      throw invalid(error.problems.map((problem) => ({ ...problem, path: under(problem.path) })));
    }
  }
}

/** A request header, validated; Nest's own decorator takes no schema. */
export function header<T extends z.ZodType>(request: Request, name: string, schema: T): z.output<T> {
  const parsed = schema.safeParse(request.get(name));
  if (parsed.success) return parsed.data;
  throw invalid(problemsOf(parsed.error.issues).map((problem) => ({ ...problem, path: name })));
}

function invalid(problems: SpecProblem[]): Problem {
  const first = problems[0];
  const where = first && first.path !== '' ? `${first.path}: ` : '';
  return new Problem('invalid', `${where}${first?.message ?? 'not valid'}`, problems);
}
