import type { z } from 'zod';
import { canonicalJson } from './canonical.js';
import { childSchema, isPlainObject, isRecord, isSchema, objectSchemas } from './schema-shape.js';

/** Each schema's default, and its canonical text. */
const defaults = new WeakMap<z.ZodType, { value: unknown; text: string }>();

function isDefault(schema: z.ZodDefault | z.ZodPrefault, value: unknown): boolean {
  let known = defaults.get(schema);
  if (known === undefined) {
    const parsed: unknown = schema.parse(undefined);
    known = { value: parsed, text: canonicalJson(parsed) };
    defaults.set(schema, known);
  }
  if (typeof value !== 'object' || value === null) return value === known.value;
  return typeof known.value === 'object' && known.value !== null && canonicalJson(value) === known.text;
}

/**
 * A parsed value without everything that stands at its default, at every depth, so that a default written out and
 * one left out give the same text, and a parameter added later changes no old content key.
 *
 * @param schema the schema that the value was parsed with
 * @returns undefined where the whole value is the default
 */
export function withoutDefaults(schema: z.ZodType, value: unknown): unknown {
  if (isSchema(schema, 'default') || isSchema(schema, 'prefault')) {
    if (isDefault(schema, value)) return undefined;
    return withoutDefaults(schema.def.innerType as z.ZodType, value);
  }
  if (isSchema(schema, 'optional') || isSchema(schema, 'nullable')) {
    return value === null ? null : withoutDefaults(schema.def.innerType as z.ZodType, value);
  }
  if (Array.isArray(value)) {
    // A place in a list cannot be left out: an entry that is all default keeps its value.
    return value.map((item: unknown, index) => {
      const element = childSchema(schema, value, index);
      return (element === null ? item : withoutDefaults(element, item)) ?? item;
    });
  }
  if (!isPlainObject(value)) return value;
  const [object] = objectSchemas(schema, value);
  if (!object && !isRecord(schema)) return value;
  const kept: [string, unknown][] = [];
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue;
    const child = object ? (object.shape[key] as z.ZodType | undefined) : childSchema(schema, value, key);
    const rest = child ? withoutDefaults(child, item) : item;
    if (rest !== undefined) kept.push([key, rest]);
    else if (isRecord(schema)) kept.push([key, item]);
  }
  return Object.fromEntries(kept);
}
