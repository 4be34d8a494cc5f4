import {
  allowedKeys,
  childSchema,
  experimentSpec,
  isPlainObject,
  isSchema,
  objectSchemas,
  schemaAt,
  unwrapSchema,
  valueAt,
} from '@ferment/contracts';
import { isMap, isPair, isScalar, isSeq, parseDocument, visit, type Document } from 'yaml';
import type { z } from 'zod';

export interface SpecOption {
  readonly label: string;
  /** What stands beside it: its default, or what it takes. */
  readonly detail: string;
  readonly kind: 'key' | 'value';
}

export interface SpecCompletion {
  /** Where the word begins that an option takes the place of. */
  readonly from: number;
  readonly options: readonly SpecOption[];
}

/** Names that a spec may refer to and the schema does not know. */
export interface SpecNames {
  readonly datasets: readonly string[];
}

type Path = (string | number)[];

/** Stands for the word at the cursor, so that the parser says where it is. */
const here = 'here_0f3a';

/**
 * What may stand at a place in a spec's text, from the schema that the API checks it with. Works on text that does
 * not parse yet.
 *
 * @param position offset of the cursor
 * @returns null where nothing is known to fit, as in a comment or a number
 */
export function completeSpec(text: string, position: number, names: SpecNames): SpecCompletion | null {
  const word = /[\w.-]*$/.exec(text.slice(0, position))?.[0] ?? '';
  const line = text.slice(text.lastIndexOf('\n', position - 1) + 1, position);
  if (/(^|\s)#/.test(line)) return null;
  const from = position - word.length;
  const rest = text.slice(position).replace(/^[\w.-]+/, '');
  const document = parseDocument(`${text.slice(0, from)}${here}${rest}`);
  const place = placeOf(document);
  if (!place) return null;
  const value = withoutMark(document);
  const options = [
    ...(place.asKey ? keyOptions(value, place.path) : []),
    ...(place.asValue ? valueOptions(value, place.path, names) : []),
  ];
  return options.length === 0 ? null : { from, options };
}

/** Where the mark stands: as a key of the mapping at `path`, as the value at `path`, or as what may become either. */
function placeOf(document: Document): { path: Path; asKey: boolean; asValue: boolean } | null {
  let found: { path: Path; asKey: boolean; asValue: boolean } | null = null;
  visit(document, {
    Scalar(role, node, ancestors) {
      if (node.value !== here) return undefined;
      const parents = [...ancestors];
      const pair = parents.at(-1);
      if (role === 'key' && isPair(pair)) {
        found = { path: pathOf(parents.slice(0, -1)), asKey: true, asValue: false };
      } else {
        const path = pathOf(parents);
        if (typeof role === 'number' && isSeq(pair)) path.push(role);
        // A word alone under a key may be its value or the first key of a mapping.
        found = { path, asKey: true, asValue: true };
      }
      return visit.BREAK;
    },
  });
  return found;
}

function pathOf(ancestors: readonly unknown[]): Path {
  const path: Path = [];
  ancestors.forEach((node, index) => {
    const next = ancestors[index + 1];
    if (isPair(node) && isScalar(node.key)) path.push(String(node.key.value));
    if (isSeq(node) && next !== undefined) path.push(node.items.indexOf(next));
    if (isMap(node)) return;
  });
  return path;
}

/** What the text says so far, with the word at the cursor left out. */
function withoutMark(document: Document): unknown {
  try {
    return clean(document.toJS());
  } catch {
    // Aliases of anchors that are not there yet.
    return {};
  }
}

function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean);
  if (!isPlainObject(value)) return value === here ? null : value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== here)
      .map(([key, inner]) => [key, clean(inner)]),
  );
}

function keyOptions(value: unknown, path: Path): SpecOption[] {
  const schema = schemaAt(experimentSpec, value, path);
  if (!schema) return [];
  const present = valueAt(value, path);
  const keys = allowedKeys(schema, present) ?? [];
  const have = isPlainObject(present) ? Object.keys(present) : [];
  return keys
    .filter((key) => !have.includes(key))
    .map((key) => {
      const child = childSchema(schema, present, key);
      return { label: key, detail: child ? detailOf(child) : '', kind: 'key' as const };
    });
}

function valueOptions(value: unknown, path: Path, names: SpecNames): SpecOption[] {
  const last = path.at(-1);
  const isStage = last === 'result' || path.includes('teachers') || last === 'from';
  const references = isStage ? stagesOf(value) : last === 'dataset' ? names.datasets : [];
  const words = schemasOf(value, path).flatMap(wordsOf);
  return [...new Set([...references, ...words])].map((label) => ({ label, detail: '', kind: 'value' }));
}

/** All schemas that a place may follow: of a union, as long as nothing chooses, those of every member. */
function schemasOf(value: unknown, path: Path): z.ZodType[] {
  const [last] = path.slice(-1);
  const above = path.slice(0, -1);
  const parent = schemaAt(experimentSpec, value, above);
  if (!parent || last === undefined) return [];
  const members = objectSchemas(parent, valueAt(value, above)).flatMap(({ shape }) =>
    Object.hasOwn(shape, last) ? [shape[last] as z.ZodType] : [],
  );
  const child = childSchema(parent, valueAt(value, above), last);
  return members.length > 0 ? members : child ? [child] : [];
}

function stagesOf(value: unknown): string[] {
  const stages = valueAt(value, ['stages']);
  return isPlainObject(stages) ? Object.keys(stages) : [];
}

/** The words that a schema takes: those of its enumerations and literals, and `name` or `kind` of its members. */
function wordsOf(schema: z.ZodType): string[] {
  const inner = unwrapSchema(schema);
  if (isSchema(inner, 'union')) return inner.def.options.flatMap((option) => wordsOf(option as z.ZodType));
  if (isSchema(inner, 'literal')) return inner.def.values.map(String);
  if (inner.def.type === 'enum') return Object.values((inner as z.ZodEnum).def.entries).map(String);
  return inner.def.type === 'boolean' ? ['true', 'false'] : [];
}

const mostWords = 4;

/** "default 48", or what it takes. */
function detailOf(schema: z.ZodType): string {
  if (isSchema(schema, 'default')) {
    const { defaultValue } = schema.def;
    if (typeof defaultValue !== 'object') return `default ${String(defaultValue)}`;
  }
  const words = wordsOf(schema);
  if (words.length > 0)
    return words.length > mostWords ? `${words.slice(0, mostWords).join(', ')}, …` : words.join(', ');
  if (objectSchemas(schema, undefined).length > 0) return 'a mapping';
  const { type } = unwrapSchema(schema).def;
  return (
    { record: 'a mapping by name', array: 'a list', number: 'a number', string: 'a text' }[type as string] ??
    ''
  );
}
