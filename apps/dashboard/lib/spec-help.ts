import { attackCatalog, modelCatalog, referable, valueAt } from '@ferment/contracts';
import { isPair, parseDocument, visit, type Scalar } from 'yaml';
import { roleOf } from './spec-completion';
import type { SpecMeanings } from './spec-meanings';
import { documentValue, meantBy, pathOf, quiet, withValueAt, type SpecPath } from './spec-place';
import { defaultOf, schemasOf, takes } from './spec-words';

/** What a key of a spec is. */
export interface SpecHelp {
  /** Its path, without the names of stages and the places in lists above it. */
  readonly name: string;
  /** "a whole number from 1 to 10", "default 5". */
  readonly facts: readonly string[];
  /** As the guide says it, code in backticks; `of` names the mapping that it is said of, where that is not the key. */
  readonly meaning: { readonly of: string | null; readonly text: string } | null;
}

/**
 * Help for the key or the value at a position of a spec's text, which may not parse yet.
 *
 * @returns null where nothing is known about what stands there
 */
export function helpAt(
  text: string,
  position: number,
  meanings: SpecMeanings,
): (SpecHelp & { from: number; to: number }) | null {
  const document = parseDocument(text, quiet);
  let found: { node: Scalar; path: SpecPath; isKey: boolean } | null = null;
  visit(document, {
    Scalar(role, node, ancestors) {
      const [from = Infinity, to = 0] = node.range ?? [];
      if (position < from || position > to || from === to) return undefined;
      const parents = [...ancestors];
      const inList = typeof role === 'number' && !isPair(parents.at(-1));
      found = { node, path: inList ? [...pathOf(parents), role] : pathOf(parents), isKey: role === 'key' };
      return visit.BREAK;
    },
  });
  if (found === null) return null;
  const { node, path, isKey } = found as { node: Scalar; path: SpecPath; isKey: boolean };
  const [from = 0, to = 0] = node.range ?? [];
  const meant = meantBy(documentValue(document), path);
  const word = isKey ? valueAt(meant.value, meant.path) : node.value;
  const help = helpOf(meant.value, meant.path, meanings, typeof word === 'string' ? word : null);
  return help && { ...help, from, to };
}

/**
 * Help for the key at a path of what a spec says, or for a word behind it.
 *
 * @param word a value that stands there, or may
 */
export function helpOf(
  value: unknown,
  path: SpecPath,
  meanings: SpecMeanings,
  word: string | null = null,
): SpecHelp | null {
  // As if it were not chosen yet: all words that fit, not the one that is there.
  const schemas = schemasOf(withValueAt(value, path.map(String), null), path);
  const [schema] = schemas;
  if (!schema) return null;
  const keys = path.filter((step): step is string => typeof step === 'string');
  const role = roleOf(path);
  const byDefault = defaultOf(schema);
  const facts = [
    role
      ? `a stage of kind ${referable[role === 'result' ? 'teachers' : role].join(', ')}`
      : [...new Set(schemas.map(takes))].join(', '),
    byDefault === null ? '' : `default ${byDefault}`,
    byDefault === null && schema.isOptional() ? 'may be left out' : '',
  ].filter((fact) => fact !== '');
  const key = keys.at(-1) ?? '';
  const said = word === null ? null : wordMeaning(key, word, meanings);
  const meaning = said ? { of: word, text: said } : keyMeaning(value, keys, path, meanings);
  return { name: shortPath(keys).join('.'), facts, meaning };
}

/** Of the path of a key in a stage, what is the same in every stage; anything else as it is. */
function shortPath(keys: readonly string[]): readonly string[] {
  return keys[0] === 'stages' && keys.length > 2 ? keys.slice(2) : keys;
}

function wordMeaning(key: string, word: string, meanings: SpecMeanings): string | null {
  const model = Object.hasOwn(modelCatalog, word) ? modelCatalog[word as keyof typeof modelCatalog] : null;
  if (key === 'name' && model) return model.title;
  return meanings[`${key}=${word}`] ?? null;
}

/** What is said of a key, or of the nearest mapping around it of which anything is said. */
function keyMeaning(
  value: unknown,
  keys: readonly string[],
  path: SpecPath,
  meanings: SpecMeanings,
): SpecHelp['meaning'] {
  const key = keys.at(-1) ?? '';
  if (keys.at(-2) === 'attacks' && Object.hasOwn(attackCatalog, key)) {
    return { of: null, text: attackCatalog[key as keyof typeof attackCatalog].title };
  }
  const kind = keys.length === 2 && keys[0] === 'stages' ? valueAt(value, [...path, 'kind']) : undefined;
  if (typeof kind === 'string') {
    const text = meanings[`kind=${kind}`];
    if (text !== undefined) return { of: kind, text };
  }
  for (const about of keysToTellOf(keys)) {
    const id = about.join('.');
    const text = meanings[id];
    if (text !== undefined) return { of: about.at(-1) === key ? null : id, text };
  }
  return null;
}

/** The key as the guide names it, then what is around it: a training's keys mean the same wherever it is. */
function keysToTellOf(keys: readonly string[]): string[][] {
  const training = keys[0] === 'stages' ? keys.indexOf('train', 2) : 0;
  if (training < 0 && keys.length > 2) return [];
  const about = keys.slice(Math.max(0, training));
  return about.map((_, index) => about.slice(0, about.length - index));
}
