import { canonicalJson } from './canonical.js';
import type { SpecProblem } from './plan.js';
import { parseSpec } from './parse-spec.js';
import { searchFindings } from './search-checks.js';
import type { Finding } from './spec-findings.js';
import { referenceFindings } from './spec-references.js';
import { lineAt, readSource, sourceLimits, type Positions } from './spec-source.js';
import type { ExperimentSpec } from './spec.js';
import {
  countVariants,
  designFindings,
  mostTrials,
  variantsOf,
  variantSpec,
  type Variant,
} from './variants.js';

/** A spec with its defaults written out, or everything that is wrong with it. */
export type ParsedSpec =
  | {
      ok: true;
      spec: ExperimentSpec;
      /** The value as written. */
      value: unknown;
      /** Gives problems found later (by the planner) their line in the text. */
      located: (problems: SpecProblem[]) => SpecProblem[];
    }
  | { ok: false; problems: SpecProblem[] };

export { sourceLimits };

/** Reads a spec from YAML or JSON text. Never throws, whatever the text. */
export function parseSpecText(text: string): ParsedSpec {
  const source = readSource(text);
  if (source.problems.length > 0) {
    return {
      ok: false,
      problems: source.problems.map(({ path, message, line }) => ({
        path: path.join('.'),
        message,
        line,
        suggestion: null,
      })),
    };
  }
  return check(source.value, source.positions);
}

/** Reads a spec from a plain value, as JSON gives it. Never throws, whatever the value. */
export function parseSpecValue(value: unknown): ParsedSpec {
  const fault = hostile(value);
  if (fault !== null)
    return { ok: false, problems: [{ path: '', message: fault, line: null, suggestion: null }] };
  return check(value, null);
}

/** The spec as text, equal for equal specs: what the spec hash is taken of. */
export function canonicalSpec(spec: ExperimentSpec): string {
  return canonicalJson(spec);
}

/** `spec.yaml:14 stages.student.method.temprature: unknown key. Did you mean "temperature"?` */
export function formatProblem(problem: SpecProblem, fileName: string): string {
  const place = problem.line === null ? fileName : `${fileName}:${problem.line}`;
  const where = problem.path === '' ? '' : ` ${problem.path}`;
  const hint = problem.suggestion === null ? '' : ` Did you mean "${problem.suggestion}"?`;
  return `${place}${where}: ${problem.message}.${hint}`;
}

function check(value: unknown, positions: Positions | null): ParsedSpec {
  const problemsOf = (findings: readonly Finding[]): SpecProblem[] =>
    findings.slice(0, sourceLimits.problems).map(({ path, message, suggestion }) => ({
      path: path.join('.'),
      message,
      line: positions === null ? null : lineAt(positions, path),
      suggestion,
    }));
  const { spec, findings: invalid } = parseSpec(value);
  if (spec === null) return { ok: false, problems: problemsOf(invalid) };
  const references = referenceFindings(spec);
  const varied = references.length > 0 ? references : ablationFindings(spec);
  const findings = varied.length > 0 ? varied : searchFindings(spec);
  if (findings.length > 0) return { ok: false, problems: problemsOf(findings) };
  const located = (problems: SpecProblem[]) =>
    problems.map((problem) => ({
      ...problem,
      line: problem.line ?? (positions === null ? null : lineAtText(positions, problem.path)),
    }));
  return { ok: true, spec, value, located };
}

/** The design, then each level by itself; combinations of a factorial are the planner's. */
function ablationFindings(spec: ExperimentSpec): Finding[] {
  const { ablation } = spec;
  const trials = countVariants(ablation) * spec.seeds.length;
  if (trials > mostTrials) {
    const message = `expected at most ${mostTrials} trials (variants times seeds), got ${trials}`;
    return [{ path: [ablation === null ? 'seeds' : 'ablation'], message, suggestion: null }];
  }
  if (ablation === null) return [];
  const design = designFindings(ablation);
  if (design.length > 0) return design;
  return singleVariants(spec).flatMap((variant) => variantSpec(spec, variant).findings);
}

function singleVariants(spec: ExperimentSpec): Variant[] {
  const { ablation } = spec;
  return variantsOf(
    ablation?.design === 'full-factorial' ? { ...ablation, design: 'one-at-a-time' } : ablation,
  );
}

/** The line of a dotted path whose keys may hold dots themselves (patches). */
function lineAtText(positions: Positions, path: string): number {
  let place = positions;
  let rest = path;
  while (rest !== '') {
    const key = [...place.children.keys()].find((name) => rest === name || rest.startsWith(`${name}.`));
    const next = key === undefined ? undefined : place.children.get(key);
    if (key === undefined || next === undefined) break;
    place = next;
    rest = rest.slice(key.length + 1);
  }
  return place.line;
}

/** What no spec holds: circles, depth or size beyond the limits, names that reach into prototypes. */
function hostile(value: unknown): string | null {
  let values = 0;
  const pending: { value: unknown; depth: number }[] = [{ value, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    values += 1;
    if (values > sourceLimits.values) return `too many values: at most ${sourceLimits.values}`;
    if (next.depth > sourceLimits.depth) return `nested too deeply: at most ${sourceLimits.depth} levels`;
    if (typeof next.value !== 'object' || next.value === null) continue;
    if (Object.hasOwn(next.value, '__proto__')) return 'a key may not be named "__proto__"';
    for (const child of Object.values(next.value)) pending.push({ value: child, depth: next.depth + 1 });
  }
  return null;
}
