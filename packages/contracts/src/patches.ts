import type { z } from 'zod';
import { nearestName } from './nearest.js';
import {
  allowedKeys,
  childSchema,
  discriminatorOf,
  isPlainObject,
  isRecord,
  objectSchemas,
} from './schema-shape.js';
import { oneOf, unknownKey, type Finding } from './spec-findings.js';
import { experimentSpec, type ExperimentSpec, type Patch } from './spec.js';

/** Top-level keys that say what an experiment is, not what a configuration computes. */
const fixedKeys = new Set([
  'specVersion',
  'name',
  'description',
  'tags',
  'seeds',
  'ablation',
  'search',
  'earlyStop',
  'run',
]);
const patchable = Object.keys(experimentSpec.shape).filter((key) => !fixedKeys.has(key));

/** The spec of one configuration: what is varied or searched for is not part of it. */
export function configurationOf(spec: ExperimentSpec): ExperimentSpec {
  const { search: _search, earlyStop: _earlyStop, ...rest } = spec;
  return { ...rest, ablation: null };
}

export interface Patched {
  value: unknown;
  /** Paths are paths in the spec; `patch` is the patch's own key. */
  findings: (Finding & { patch: string })[];
}

/**
 * Applies a patch to a spec whose defaults are written out; the result is to be parsed again. A `null` takes a key
 * away, so that its default holds. Patching a `name` replaces its whole object (a method's other parameters are
 * another method's), patching a stage's `kind` keeps the keys that the new kind knows, patching `data.dataset` drops
 * the version pinned for the data set before. Entries apply from the outside in, such choices first. Parts that are
 * not touched are shared with the spec.
 */
export function applyPatch(spec: ExperimentSpec, patch: Patch): Patched {
  const findings: Patched['findings'] = [];
  let value: unknown = configurationOf(spec);
  const entries = Object.entries(patch).map(([key, change]) => ({ key, path: key.split('.'), change }));
  entries.sort((a, b) => a.path.length - b.path.length || rank(a.path) - rank(b.path));
  for (const { key, path, change } of entries) {
    const [first = ''] = path;
    if (!patchable.includes(first)) {
      const message = fixedKeys.has(first)
        ? `a patch cannot change this; expected a path into ${oneOf(patchable)}`
        : 'unknown key';
      findings.push({ patch: key, path, message, suggestion: nearestName(first, patchable) });
      continue;
    }
    if (key === 'data.dataset' && !Object.hasOwn(patch, 'data.version')) {
      value = set(experimentSpec, value, ['data', 'version'], [], null).value;
    }
    const done = set(experimentSpec, value, path, [], change);
    if (done.finding) findings.push({ ...done.finding, patch: key });
    else value = done.value;
  }
  return { value, findings };
}

/** Choices first: other entries of the same patch speak about what was chosen. */
function rank(path: readonly string[]): number {
  return ['name', 'kind', 'dataset'].includes(path.at(-1) ?? '') ? 0 : 1;
}

type Done = { value: unknown; finding?: undefined } | { value?: undefined; finding: Finding };

function set(
  schema: z.ZodType,
  value: unknown,
  rest: readonly string[],
  walked: readonly string[],
  change: unknown,
): Done {
  const [key = '', ...deeper] = rest;
  const fail = (message: string, suggestion: string | null = null): Done => ({
    finding: { path: [...walked, ...rest], message, suggestion },
  });
  if (Array.isArray(value)) {
    const index = /^\d{1,6}$/.test(key) ? Number(key) : NaN;
    const element = childSchema(schema, value, index);
    if (!(index < value.length) || element === null) {
      return fail(`expected the number of an entry (0 to ${value.length - 1}) at "${key}"`);
    }
    const done =
      deeper.length > 0 ? set(element, value[index], deeper, [...walked, key], change) : { value: change };
    return done.finding
      ? done
      : { value: value.map((item: unknown, at) => (at === index ? done.value : item)) };
  }
  const base = value === undefined || value === null ? {} : value;
  if (!isPlainObject(base)) return fail(`"${walked.join('.')}" has no keys; give it a new value as a whole`);

  const child = key === '__proto__' ? null : childSchema(schema, base, key);
  if (child === null) {
    if (allowedKeys(schema, base) === null) {
      return fail(`"${walked.join('.')}" has no keys; give it a new value as a whole`);
    }
    const unknown = unknownKey(schema, base, [], key);
    return { finding: { ...unknown, path: [...walked, ...rest] } };
  }
  const present = Object.hasOwn(base, key);
  if (isRecord(schema) && !present && (deeper.length > 0 || change === null)) {
    const candidates = Object.keys(base);
    return fail(`no "${key}" here; expected ${oneOf(candidates)}`, nearestName(key, candidates));
  }
  if (deeper.length > 0) {
    const done = set(child, present ? base[key] : undefined, deeper, [...walked, key], change);
    return done.finding ? done : { value: { ...base, [key]: done.value } };
  }
  if (change === null) {
    const { [key]: _removed, ...others } = base;
    return { value: others };
  }
  if (discriminatorOf(schema) === key) return { value: choose(schema, base, key, change) };
  return { value: { ...base, [key]: change } };
}

/** A new `name` starts from its own defaults; a new `kind` keeps what both kinds know. */
function choose(
  schema: z.ZodType,
  base: Record<string, unknown>,
  key: string,
  change: unknown,
): Record<string, unknown> {
  if (key === 'name') return { name: change };
  const chosen = { ...base, [key]: change };
  const kept = new Set(objectSchemas(schema, chosen).flatMap((object) => Object.keys(object.shape)));
  return Object.fromEntries(Object.entries(chosen).filter(([name]) => kept.has(name)));
}
