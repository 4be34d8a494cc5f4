import { parseDocument } from 'yaml';
import { canonicalJson } from './canonical.js';
import type { SpecProblem } from './plan.js';
import type { ExperimentSpec } from './spec.js';
import { experimentSpec } from './spec.js';

/** A spec with its defaults written out, or everything that is wrong with it. */
export type ParsedSpec =
  { ok: true; spec: ExperimentSpec; value: unknown } | { ok: false; problems: SpecProblem[] };

/** Reads a spec from YAML or JSON text. */
export function parseSpecText(text: string): ParsedSpec {
  const document = parseDocument(text, { uniqueKeys: true, merge: true });
  if (document.errors.length > 0) {
    return {
      ok: false,
      problems: document.errors.map((error) => ({
        path: '',
        message: error.message,
        line: error.linePos?.[0].line ?? null,
        suggestion: null,
      })),
    };
  }
  return parseSpecValue(document.toJS());
}

/** Reads a spec from a plain value. */
export function parseSpecValue(value: unknown): ParsedSpec {
  const result = experimentSpec.safeParse(value);
  if (result.success) return { ok: true, spec: result.data, value };
  return {
    ok: false,
    problems: result.error.issues.map((issue) => ({
      path: issue.path.join('.'),
      message: issue.message,
      line: null,
      suggestion: null,
    })),
  };
}

/** One line for a problem: `spec.yaml:14 stages.student.method.temprature: unknown key. Did you mean "temperature"?` */
export function formatProblem(problem: SpecProblem, fileName: string): string {
  const place = problem.line === null ? fileName : `${fileName}:${problem.line}`;
  const hint = problem.suggestion === null ? '' : ` Did you mean "${problem.suggestion}"?`;
  return `${place} ${problem.path}: ${problem.message}.${hint}`;
}

/** The spec as text that is equal for equal specs; what the spec hash is taken of. */
export function canonicalSpec(spec: ExperimentSpec): string {
  return canonicalJson(spec);
}
