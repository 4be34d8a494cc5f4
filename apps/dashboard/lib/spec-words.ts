import {
  childSchema,
  experimentSpec,
  isSchema,
  objectSchemas,
  schemaAt,
  unwrapSchema,
  valueAt,
} from '@ferment/contracts';
import type { z } from 'zod';
import type { SpecPath } from './spec-place';

/** All schemas that a place may follow: of a union, as long as nothing chooses, those of every member. */
export function schemasOf(value: unknown, path: SpecPath): z.ZodType[] {
  const [last] = path.slice(-1);
  const above = path.slice(0, -1);
  if (last === undefined) return [experimentSpec];
  const parent = schemaAt(experimentSpec, value, above);
  if (!parent) return [];
  const members = objectSchemas(parent, valueAt(value, above)).flatMap(({ shape }) =>
    Object.hasOwn(shape, last) ? [shape[last] as z.ZodType] : [],
  );
  if (members.length > 0) return members;
  const child = childSchema(parent, valueAt(value, above), last) ?? elementOf(parent);
  return child ? [child] : [];
}

/** What a list of this schema holds: also of a list that is one of several things a place may be. */
export function elementOf(schema: z.ZodType): z.ZodType | null {
  const inner = unwrapSchema(schema);
  if (isSchema(inner, 'array')) return inner.def.element as z.ZodType;
  if (!isSchema(inner, 'union')) return null;
  for (const option of inner.def.options) {
    const element = elementOf(option as z.ZodType);
    if (element) return element;
  }
  return null;
}

/** The words that a schema takes: those of its enumerations and literals, and `name` or `kind` of its members. */
export function wordsOf(schema: z.ZodType): string[] {
  const inner = unwrapSchema(schema);
  if (isSchema(inner, 'union')) return inner.def.options.flatMap((option) => wordsOf(option as z.ZodType));
  if (isSchema(inner, 'literal')) return inner.def.values.map(String);
  if (inner.def.type === 'enum') return Object.values((inner as z.ZodEnum).def.entries).map(String);
  return inner.def.type === 'boolean' ? ['true', 'false'] : [];
}

/** The default of a schema, where it is short: "none" of an empty one; null where it has none. */
export function defaultOf(schema: z.ZodType): string | null {
  if (!isSchema(schema, 'default')) return null;
  const { defaultValue } = schema.def;
  if (defaultValue === null || (Array.isArray(defaultValue) && defaultValue.length === 0)) return 'none';
  if (Array.isArray(defaultValue)) return `[${defaultValue.join(', ')}]`;
  return typeof defaultValue === 'object' || defaultValue === '' ? null : String(defaultValue);
}

const mostWords = 4;

/** "default 48", or what it takes: for a list of keys, as short as can be. */
export function detailOf(schema: z.ZodType): string {
  const byDefault = defaultOf(schema);
  if (byDefault !== null) return `default ${byDefault}`;
  const words = wordsOf(schema);
  if (words.length > 0)
    return words.length > mostWords ? `${words.slice(0, mostWords).join(', ')}, …` : words.join(', ');
  const [object] = objectSchemas(schema, undefined);
  return object ? keysIn(object) : typeOf(schema);
}

/** The first keys of a mapping, as it begins. */
function keysIn(schema: z.ZodObject): string {
  const keys = Object.keys(schema.shape);
  return `{ ${keys.slice(0, mostWords).join(', ')}${keys.length > mostWords ? ', …' : ''} }`;
}

/** What kind of thing a schema takes, in words; empty where there is no word for it. */
export function typeOf(schema: z.ZodType): string {
  if (objectSchemas(schema, undefined).length > 0) return 'a mapping';
  const inner = unwrapSchema(schema);
  if (isSchema(inner, 'array')) return 'a list';
  const { type } = inner.def;
  return (
    { record: 'a mapping by name', tuple: 'a list', number: 'a number', string: 'a text' }[type as string] ??
    ''
  );
}

/** What a schema takes, as a line for people: "a whole number from 1 to 10", or its words. */
export function takes(schema: z.ZodType): string {
  const words = wordsOf(schema);
  const element = elementOf(schema);
  const listed = element
    ? `a list of ${wordsOf(element).join(', ') || plurals[typeOf(element)] || 'values'}`
    : '';
  const mapped = words.length > 0 && objectSchemas(schema, undefined).length > 0 ? 'or a mapping' : '';
  if (words.length > 0)
    return [words.join(', '), listed && `or ${listed}`, mapped].filter(Boolean).join(', ');
  if (listed) return listed;
  const inner = unwrapSchema(schema);
  return inner.def.type === 'number' ? numberWords(inner as z.ZodNumber) : typeOf(schema) || 'any value';
}

const plurals: Record<string, string> = { 'a number': 'numbers', 'a text': 'names', 'a mapping': 'mappings' };

/** Ends of a range that are no bound that anybody set. */
const isBound = (bound: unknown): bound is number =>
  typeof bound === 'number' && Math.abs(bound) < 2 ** 31 - 1;

function numberWords(schema: z.ZodNumber): string {
  const { minValue, maxValue } = schema;
  const what = schema.isInt ? 'a whole number' : 'a number';
  if (!isBound(minValue)) return what;
  if (!schema.safeParse(minValue).success)
    return `${what} above ${minValue}${isBound(maxValue) ? `, at most ${maxValue}` : ''}`;
  return isBound(maxValue) ? `${what} from ${minValue} to ${maxValue}` : `${what}, at least ${minValue}`;
}
