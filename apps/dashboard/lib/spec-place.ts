import { isPlainObject, valueAt } from '@ferment/contracts';
import { isMap, isPair, isScalar, isSeq, parseDocument, visit, type Document } from 'yaml';

export type SpecPath = readonly (string | number)[];

/** Where a cursor stands in a spec's text. */
export interface SpecPlace {
  /** Where the word at the cursor begins. */
  readonly from: number;
  /** Of the mapping whose key the word is, or of the value that the word is. */
  readonly path: SpecPath;
  readonly asKey: boolean;
  readonly asValue: boolean;
  /** Whether a mapping that begins here needs its braces: behind its key, or in a list in brackets. */
  readonly inline: boolean;
  /** What the text says so far, without the word. */
  readonly value: unknown;
}

type Found = Omit<SpecPlace, 'from' | 'value'>;

/** Stands for the word at the cursor, so that the parser says where it is. */
const here = 'here_0f3a';

/** Unfinished text is full of what the parser would warn of. */
export const quiet = { logLevel: 'error' } as const;

/**
 * The place of a cursor in a text that may not parse yet.
 *
 * @returns null in a comment, or where the word at the cursor is neither a key nor a value
 */
export function placeAt(text: string, position: number): SpecPlace | null {
  const word = /[\w.-]*$/.exec(text.slice(0, position))?.[0] ?? '';
  const line = text.slice(text.lastIndexOf('\n', position - 1) + 1, position);
  if (/(^|\s)#/.test(line)) return null;
  const from = position - word.length;
  const rest = text.slice(position).replace(/^[\w.-]+/, '');
  // A word before another key's line is part of that key to the parser, unless it is a key itself.
  for (const mark of [here, `${here}:`]) {
    const marked = `${text.slice(0, from)}${mark}${rest}`;
    const document = parseDocument(marked, quiet);
    const found = markedPlace(document, marked, from);
    if (found) return { ...found, from, value: withoutMark(document) };
  }
  return null;
}

function markedPlace(document: Document, text: string, from: number): Found | null {
  let found: Found | null = null;
  visit(document, {
    Scalar(role, node, ancestors) {
      if (node.value !== here) return undefined;
      const parents = [...ancestors];
      const parent = parents.at(-1);
      if (role === 'key' && isPair(parent)) {
        found = { path: pathOf(parents.slice(0, -1)), asKey: true, asValue: false, inline: false };
      } else {
        const inList = typeof role === 'number' && isSeq(parent);
        const path = inList ? [...pathOf(parents), role] : pathOf(parents);
        const inline = inList ? parent.flow === true : behindKey(parent, text, from);
        // A word alone under a key may be its value or the first key of a mapping.
        found = { path, asKey: true, asValue: true, inline };
      }
      return visit.BREAK;
    },
  });
  return found;
}

/** Whether a value stands in its key's line. */
function behindKey(parent: unknown, text: string, from: number): boolean {
  if (!isPair(parent) || !isScalar(parent.key)) return false;
  return !text.slice(parent.key.range?.[1] ?? 0, from).includes('\n');
}

/** The path of the node that the ancestors lead to. */
export function pathOf(ancestors: readonly unknown[]): (string | number)[] {
  const path: (string | number)[] = [];
  ancestors.forEach((node, index) => {
    const next = ancestors[index + 1];
    if (isPair(node) && isScalar(node.key)) path.push(String(node.key.value));
    if (isSeq(node) && next !== undefined) path.push(node.items.indexOf(next));
    if (isMap(node)) return;
  });
  return path;
}

/** What a document says, its anchors followed; nothing where it names one that is not there yet. */
export function documentValue(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 1000 });
  } catch {
    return {};
  }
}

function withoutMark(document: Document): unknown {
  return clean(documentValue(document));
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

/** How many keys lead to the patch that a path is in: of a level, of a listed variant, of a search's space; 0 for none. */
function patchLength([first, second, , fourth]: SpecPath): number {
  if (first === 'ablation' && second === 'factors') return 4;
  if (first === 'ablation' && second === 'variants' && fourth === 'patch') return 4;
  return first === 'search' && second === 'space' ? 2 : 0;
}

/** Whether the mapping at a path is a patch: its keys are dotted paths of the spec. */
export function isPatch(path: SpecPath): boolean {
  return patchLength(path) > 0 && path.length === patchLength(path);
}

/**
 * What a place inside a patch is about: the place in the spec that its dotted path names, and the spec with the patch's
 * value there. Any other place is about itself; so are the values of a search's space, which are ranges.
 */
export function meantBy(value: unknown, path: SpecPath): { value: unknown; path: SpecPath } {
  const length = patchLength(path);
  const key = path[length];
  if (length === 0 || key === undefined || path[0] === 'search') return { value, path };
  const target = String(key).split('.');
  const inner = valueAt(value, path.slice(0, length + 1));
  return {
    value: withValueAt(value, target, inner ?? null),
    path: [...target, ...path.slice(length + 1)],
  };
}

/** A copy of a value with another one at a path in it. */
export function withValueAt(value: unknown, [key, ...rest]: readonly string[], inner: unknown): unknown {
  if (key === undefined) return inner;
  if (Array.isArray(value)) {
    return value.map((each: unknown, index) =>
      String(index) === key ? withValueAt(each, rest, inner) : each,
    );
  }
  const present = isPlainObject(value) ? value : {};
  const below = Object.hasOwn(present, key) ? present[key] : undefined;
  return { ...present, [key]: withValueAt(below, rest, inner) };
}
