import { findingsOf, type Finding } from './spec-findings.js';
import { experimentSpec, type ExperimentSpec } from './spec.js';

/**
 * A value as a spec, or what its schema finds wrong with it. The length checks of zod 4 look at `length` before the type
 * is known and compare it with a number: an object whose `length` has no primitive value makes them throw, which is a
 * refusal here.
 */
export function parseSpec(
  value: unknown,
): { spec: ExperimentSpec; findings: [] } | { spec: null; findings: Finding[] } {
  try {
    const parsed = experimentSpec.safeParse(value);
    if (parsed.success) return { spec: parsed.data, findings: [] };
    return { spec: null, findings: findingsOf(experimentSpec, value, parsed.error.issues) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const message = 'expected text, numbers, lists and keys with values, none of them named "length"';
    return { spec: null, findings: [{ path: [], message, suggestion: null }] };
  }
}
