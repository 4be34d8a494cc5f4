import type { z } from 'zod';
import { nearestName } from './nearest.js';
import { allowedKeys, discriminatorOf, isPlainObject, schemaAt, valueAt } from './schema-shape.js';

/** One thing wrong at a place in a value; becomes a SpecProblem once lines are known. */
export interface Finding {
  path: (string | number)[];
  message: string;
  suggestion: string | null;
}

type Issue = z.core.$ZodIssue;

/** At most this many names are listed as what was expected. */
const listed = 14;

/** More issues than this help nobody. */
const reported = 50;

/** "one of" and the values, names in quotes. */
export function oneOf(values: readonly unknown[]): string {
  const names = values
    .slice(0, listed)
    .map((value) => (typeof value === 'string' ? `"${value}"` : String(value)));
  if (values.length > listed) names.push('…');
  return names.length === 1 ? (names[0] ?? '') : `one of ${names.join(', ')}`;
}

/** A value as a message shows it: short, and never a whole document. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object' && value !== null) return 'keys with values';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

const typeNames: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'keys with values',
  record: 'keys with values',
  null: 'null',
};

const got = (value: unknown): string => (value === undefined ? '' : `, got ${shown(value)}`);

/**
 * What zod found wrong with a value, in words: where, what was expected, what is there, the nearest valid name.
 *
 * @param schema the schema of the whole value
 * @param value  the whole value
 */
export function findingsOf(schema: z.ZodType, value: unknown, issues: readonly Issue[]): Finding[] {
  return issues.slice(0, reported).flatMap((issue) => findingOf(schema, value, issue));
}

function findingOf(schema: z.ZodType, value: unknown, issue: Issue): Finding[] {
  const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
  const here = valueAt(value, path);
  const finding = (message: string, suggestion: string | null = null): Finding[] => [
    { path, message, suggestion },
  ];
  if (here === undefined && issue.code !== 'unrecognized_keys' && issue.code !== 'custom') {
    return finding(`missing; expected ${expectation(issue)}`);
  }
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.slice(0, reported).map((key) => unknownKey(schema, value, path, key));
    case 'invalid_value':
      return finding(
        `expected ${oneOf(issue.values)}${got(here)}`,
        typeof here === 'string' ? nearestName(here, names(issue.values)) : null,
      );
    case 'invalid_union':
      return unionFindings(schema, value, issue, path, here);
    case 'invalid_key':
      return finding(`expected ${issue.issues[0]?.message ?? 'another name'} as key`);
    case 'custom':
      return finding(issue.message);
    default:
      return finding(`expected ${expectation(issue)}${keysOf(schema, value, path, issue)}${got(here)}`);
  }
}

/** Keys listed by name where something else stands in the place of a few of them. */
const fewKeys = 8;

/** In brackets, the keys that are expected; nothing where they are many. */
function keysOf(schema: z.ZodType, value: unknown, path: readonly (string | number)[], issue: Issue): string {
  if (issue.code !== 'invalid_type' || issue.expected !== 'object' || path.length === 0) return '';
  const place = schemaAt(schema, value, path);
  const keys = place === null ? [] : (allowedKeys(place, undefined) ?? []);
  return keys.length === 0 || keys.length > fewKeys ? '' : ` (${keys.join(', ')})`;
}

function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeNames[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return oneOf(issue.values);
    case 'invalid_union':
      return 'options' in issue && issue.options ? oneOf(issue.options) : 'another value';
    case 'too_small':
    case 'too_big':
      return limit(issue);
    case 'invalid_format':
      return issue.message;
    default:
      return issue.message;
  }
}

function limit(issue: Extract<Issue, { code: 'too_small' | 'too_big' }>): string {
  const small = issue.code === 'too_small';
  const bound = small ? issue.minimum : issue.maximum;
  if (issue.origin === 'string') return `${small ? 'at least' : 'at most'} ${bound} characters`;
  if (issue.origin === 'array') return `${small ? 'at least' : 'at most'} ${bound} entries`;
  if (issue.inclusive === false) return `a number ${small ? 'above' : 'below'} ${bound}`;
  return `${small ? 'at least' : 'at most'} ${bound}`;
}

function names(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string');
}

/** An unknown key, with the nearest known one, or all known ones where none is near. */
export function unknownKey(
  schema: z.ZodType,
  value: unknown,
  path: readonly (string | number)[],
  key: string,
): Finding {
  const place = schemaAt(schema, value, path);
  const parent = valueAt(value, path);
  const known = place === null ? [] : (allowedKeys(place, parent) ?? []);
  const suggestion = nearestName(key, known);
  const discriminator = place === null ? null : discriminatorOf(place);
  const chosen = discriminator === null ? undefined : valueAt(parent, [discriminator]);
  if (suggestion !== null || known.length === 0)
    return { path: [...path, key], message: 'unknown key', suggestion };
  const what = typeof chosen === 'string' ? ` for ${discriminator} "${chosen}"` : '';
  return { path: [...path, key], message: `unknown key${what}; expected ${oneOf(known)}`, suggestion };
}

function unionFindings(
  schema: z.ZodType,
  value: unknown,
  issue: Extract<Issue, { code: 'invalid_union' }>,
  path: (string | number)[],
  here: unknown,
): Finding[] {
  if ('options' in issue && issue.options) {
    const suggestion = typeof here === 'string' ? nearestName(here, names(issue.options)) : null;
    return [{ path, message: `expected ${oneOf(issue.options)}${got(here)}`, suggestion }];
  }
  const branches = issue.errors;
  const values = branches.flatMap((branch) =>
    branch.flatMap((inner) =>
      inner.code === 'invalid_value' && inner.path.length === 0 ? inner.values : [],
    ),
  );
  if (isPlainObject(here)) {
    const inside = branches.find((branch) =>
      branch.every((inner) => inner.path.length > 0 || inner.code === 'unrecognized_keys'),
    );
    if (inside) {
      return findingsOf(
        schema,
        value,
        inside.map((inner) => ({ ...inner, path: [...path, ...inner.path] }) as Issue),
      );
    }
  }
  const others = branches.flatMap((branch) =>
    branch.flatMap((inner) =>
      inner.code === 'invalid_type' && inner.path.length === 0 ? [expectation(inner)] : [],
    ),
  );
  const parts = [...(values.length > 0 ? [oneOf(values)] : []), ...new Set(others)];
  const suggestion = typeof here === 'string' ? nearestName(here, names(values)) : null;
  return [{ path, message: `expected ${parts.join(', or ') || 'another value'}${got(here)}`, suggestion }];
}
