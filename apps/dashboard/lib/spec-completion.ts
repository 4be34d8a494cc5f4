import {
  allowedKeys,
  childSchema,
  experimentSpec,
  isPlainObject,
  isRecord,
  isSchema,
  objectSchemas,
  referable,
  schemaAt,
  unwrapSchema,
  valueAt,
  type ReferenceRole,
} from '@ferment/contracts';
import type { z } from 'zod';
import { isPatch, meantBy, placeAt, type SpecPath } from './spec-place';
import { defaultOf, detailOf, elementOf, schemasOf, wordsOf } from './spec-words';

export interface SpecOption {
  readonly label: string;
  /** What stands beside it: its default, or what it takes. */
  readonly detail: string;
  readonly kind: 'key' | 'value';
  /** What is written, with `|` where the cursor then stands. */
  readonly apply: string;
  /** The key that it is, or whose value it is. */
  readonly path: SpecPath;
}

export interface SpecCompletion {
  /** Where the word begins that an option takes the place of. */
  readonly from: number;
  readonly options: readonly SpecOption[];
  /** What the text says so far; inside a patch, as the patch has it. */
  readonly value: unknown;
}

/** Names that a spec may refer to and the schema does not know. */
export interface SpecNames {
  readonly datasets: readonly string[];
}

/**
 * What may stand at a place in a spec's text, from the schema that the API checks it with. Works on text that does
 * not parse yet, in block and in flow style, and inside patches, whose keys are paths of the spec.
 *
 * @param position offset of the cursor
 * @returns null where nothing is known to fit, as in a comment
 */
export function completeSpec(text: string, position: number, names: SpecNames): SpecCompletion | null {
  const place = placeAt(text, position);
  if (!place) return null;
  const { from, value, path, inline } = place;
  if (place.asKey && isPatch(path)) return patchKeys(text.slice(from, position), from, value, path);
  const meant = meantBy(value, path);
  const options = [
    ...(place.asKey ? keyOptions(meant.value, meant.path, inline) : []),
    ...(place.asValue ? valueOptions(meant.value, meant.path, names) : []),
  ];
  return options.length === 0 ? null : { from, options, value: meant.value };
}

function keyOptions(value: unknown, path: SpecPath, inline: boolean): SpecOption[] {
  const schema = schemaAt(experimentSpec, value, path) ?? schemasOf(value, path)[0];
  if (!schema) return [];
  const present = valueAt(value, path);
  const have = isPlainObject(present) ? Object.keys(present) : [];
  return (allowedKeys(schema, present) ?? [])
    .filter((key) => !have.includes(key))
    .map((key) => {
      const child = childSchema(schema, present, key);
      const apply = inline ? `{ ${key}: | }` : `${key}: |`;
      return { label: key, detail: child ? detailOf(child) : '', kind: 'key', apply, path: [...path, key] };
    });
}

/** Roots of the paths that a variant may change, and of those that a search may. */
const patched = ['data', 'stages', 'result', 'evaluate', 'select'];
const searched = ['stages', 'result'];

/** The next key of a dotted path, behind its last dot; one that has keys itself gets a further dot. */
function patchKeys(word: string, from: number, value: unknown, path: SpecPath): SpecCompletion | null {
  const steps = word.split('.').slice(0, -1);
  const schema = schemaAt(experimentSpec, value, steps);
  if (!schema) return null;
  const present = valueAt(value, steps);
  const all =
    isRecord(schema) && isPlainObject(present) ? Object.keys(present) : allowedKeys(schema, present);
  const roots = path[0] === 'search' ? searched : patched;
  const keys = (all ?? []).filter((key) => steps.length > 0 || roots.includes(key));
  const options = keys.map((key): SpecOption => {
    const child = childSchema(schema, present, key);
    const deeper = child !== null && (isRecord(child) || objectSchemas(child, undefined).length > 0);
    return {
      label: key,
      detail: child ? detailOf(child) : '',
      kind: 'key',
      apply: deeper ? `${key}.|` : `${key}: |`,
      path: [...steps, key],
    };
  });
  return options.length === 0 ? null : { from: from + word.lastIndexOf('.') + 1, options, value };
}

function valueOptions(value: unknown, path: SpecPath, names: SpecNames): SpecOption[] {
  const schemas = schemasOf(value, path);
  const one = (label: string): SpecOption => ({ label, detail: '', kind: 'value', apply: `${label}|`, path });
  const listed = (label: string): SpecOption => ({ ...one(label), apply: `[${label}|]` });
  const role = roleOf(path);
  const stages = role ? stagesOf(value, role === 'result' ? 'teachers' : role, path) : [];
  const isList = schemas.some((schema) => isSchema(unwrapSchema(schema), 'array'));
  const words = [...(path.at(-1) === 'dataset' ? names.datasets : []), ...schemas.flatMap(wordsOf)];
  const elements = schemas.flatMap((schema) => {
    const element = elementOf(schema);
    return element ? wordsOf(element) : [];
  });
  const options = [...stages.map(isList ? listed : one), ...words.map(one), ...elements.map(listed)];
  const distinct = [...new Map(options.map((option) => [option.label, option])).values()];
  return distinct.length > 0 ? distinct : schemas.slice(0, 1).flatMap((schema) => defaultNumber(schema, one));
}

/** Where only a number fits, the one that holds where none is written: a place to begin from. */
function defaultNumber(schema: z.ZodType, one: (label: string) => SpecOption): SpecOption[] {
  const label = unwrapSchema(schema).def.type === 'number' ? defaultOf(schema) : null;
  return label === null || label === 'none' ? [] : [{ ...one(label), detail: 'the default' }];
}

/** What a place names a stage for: the result, or what another stage reads it for. */
export function roleOf([first, , role, ...rest]: SpecPath): ReferenceRole | 'result' | null {
  if (first === 'result') return 'result';
  const isRole = typeof role === 'string' && Object.hasOwn(referable, role) && rest.length <= 1;
  return first === 'stages' && isRole ? (role as ReferenceRole) : null;
}

/** The stages that may stand there: of a kind that fits or that is not written yet, and not the stage itself. */
function stagesOf(value: unknown, role: ReferenceRole, [, self]: SpecPath): string[] {
  const stages = valueAt(value, ['stages']);
  if (!isPlainObject(stages)) return [];
  return Object.keys(stages).filter((name) => {
    const kind = valueAt(stages, [name, 'kind']);
    return name !== self && (typeof kind !== 'string' || referable[role].some((fitting) => fitting === kind));
  });
}
