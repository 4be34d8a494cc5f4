import type { z } from 'zod';

/** What the schemas permit at a place: used for nearest names, patches and content keys. */

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Schemas by their kind. Zod's own `instanceof` walks a set of traits each time, which counts in a large grid. */
interface SchemaOfType {
  object: z.ZodObject;
  record: z.ZodRecord;
  array: z.ZodArray;
  tuple: z.ZodTuple;
  union: z.ZodUnion;
  literal: z.ZodLiteral;
  optional: z.ZodOptional;
  nullable: z.ZodNullable;
  default: z.ZodDefault;
  prefault: z.ZodPrefault;
  pipe: z.ZodPipe;
}

export function isSchema<K extends keyof SchemaOfType>(
  schema: z.ZodType,
  kind: K,
): schema is SchemaOfType[K] {
  return schema.def.type === kind;
}

/** The schema behind optional, nullable, default and preprocessing wrappers. */
export function unwrapSchema(schema: z.ZodType): z.ZodType {
  let inner = schema;
  for (;;) {
    if (
      isSchema(inner, 'optional') ||
      isSchema(inner, 'nullable') ||
      isSchema(inner, 'default') ||
      isSchema(inner, 'prefault')
    ) {
      inner = inner.def.innerType as z.ZodType;
    } else if (isSchema(inner, 'pipe')) {
      inner = inner.def.out as z.ZodType;
    } else {
      return inner;
    }
  }
}

/** The key that tells a union's members apart (`name`, `kind`, `design`), null for anything else. */
export function discriminatorOf(schema: z.ZodType): string | null {
  const inner = unwrapSchema(schema);
  return isSchema(inner, 'union') && 'discriminator' in inner.def ? String(inner.def.discriminator) : null;
}

/** The object schemas that a value at this place may follow; one where its discriminator chooses. */
export function objectSchemas(schema: z.ZodType, value: unknown): z.ZodObject[] {
  const inner = unwrapSchema(schema);
  if (isSchema(inner, 'object')) return [inner];
  if (!isSchema(inner, 'union')) return [];
  const members = inner.def.options.flatMap((option) => objectSchemas(option as z.ZodType, value));
  const discriminator = discriminatorOf(inner);
  if (discriminator === null || !isPlainObject(value)) return members;
  const chosen = members.filter((member) =>
    discriminatorValues(member, discriminator).includes(value[discriminator]),
  );
  return chosen.length > 0 ? chosen : members;
}

/** Values that a member of a discriminated union has for its discriminator. */
function discriminatorValues(member: z.ZodObject, discriminator: string): unknown[] {
  const literal = member.shape[discriminator] as z.ZodType | undefined;
  return literal && isSchema(literal, 'literal') ? literal.def.values : [];
}

/** Keys permitted at this place; null where any name is (a record) or where no keys are. */
export function allowedKeys(schema: z.ZodType, value: unknown): string[] | null {
  const objects = objectSchemas(schema, value);
  if (objects.length === 0) return null;
  return [...new Set(objects.flatMap((object) => Object.keys(object.shape)))];
}

/** True where the names at this place are the user's own: stages, factors, levels. */
export function isRecord(schema: z.ZodType): boolean {
  return isSchema(unwrapSchema(schema), 'record');
}

/** The schema of one key (or place in a list) of a value at this place; null where there is none. */
export function childSchema(schema: z.ZodType, value: unknown, key: string | number): z.ZodType | null {
  const inner = unwrapSchema(schema);
  if (isSchema(inner, 'record')) return inner.def.valueType as z.ZodType;
  if (isSchema(inner, 'array')) return inner.def.element as z.ZodType;
  if (isSchema(inner, 'tuple')) return (inner.def.items[Number(key)] as z.ZodType | undefined) ?? null;
  for (const object of objectSchemas(inner, value)) {
    if (Object.hasOwn(object.shape, key)) return object.shape[key] as z.ZodType;
  }
  return null;
}

/** The schema at a path inside a value; null where the path leaves the schema. */
export function schemaAt(
  schema: z.ZodType,
  value: unknown,
  path: readonly (string | number)[],
): z.ZodType | null {
  let place: z.ZodType | null = schema;
  let current = value;
  for (const key of path) {
    if (place === null) return null;
    place = childSchema(place, current, key);
    current = valueAt(current, [key]);
  }
  return place;
}

/** The value at a path, own properties only; undefined where there is none. */
export function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined;
    current = (current as Record<string | number, unknown>)[key];
  }
  return current;
}
