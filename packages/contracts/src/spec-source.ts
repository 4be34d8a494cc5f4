import type { Node, Pair } from 'yaml';
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';

/** Limits on what is read at all; far above any spec a person writes. */
export const sourceLimits = { characters: 250_000, depth: 40, values: 200_000, problems: 50 } as const;

/** Where a value and its parts stand in the text. */
export interface Positions {
  line: number;
  children: Map<string, Positions>;
}

export interface SourceProblem {
  path: string[];
  message: string;
  line: number | null;
}

export interface Source {
  value: unknown;
  positions: Positions;
  problems: SourceProblem[];
}

const tooNested = `nested too deeply: at most ${sourceLimits.depth} levels`;

class TooMuch extends Error {}

/**
 * Reads YAML 1.2 (and so JSON) into plain values, remembering the line of every key. Anchors, aliases and merge
 * keys (`<<`) are followed; duplicate keys, tags and keys that are not plain text are problems. Never throws.
 */
export function readSource(text: string): Source {
  const lines = new LineCounter();
  const nothing: Positions = { line: 1, children: new Map() };
  const refuse = (message: string, line: number | null = null): Source => ({
    value: undefined,
    positions: nothing,
    problems: [{ path: [], message, line }],
  });
  if (text.length > sourceLimits.characters) {
    return refuse(`the text is too long: at most ${sourceLimits.characters} characters`);
  }
  const deep = tooDeep(text);
  if (deep !== null) return refuse(tooNested, deep);
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      version: '1.2',
    });
    const faults = [...document.errors, ...document.warnings].slice(0, sourceLimits.problems);
    if (faults.length > 0) {
      return {
        value: undefined,
        positions: nothing,
        problems: faults.map((fault) => ({
          path: [],
          message: fault.message.includes('call stack') ? tooNested : `not YAML or JSON: ${fault.message}`,
          line: lines.linePos(fault.pos[0]).line,
        })),
      };
    }
    const reader = new Reader(lines);
    const read = reader.read(document.contents, [], 0, nothing.line);
    return { value: read.value, positions: read.positions, problems: reader.problems };
  } catch (error) {
    if (error instanceof TooMuch) return refuse(error.message);
    if (error instanceof RangeError) return refuse(tooNested);
    return refuse(`not YAML or JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The line where brackets or indentation nest beyond anything sensible, before the parser recurses into it. */
function tooDeep(text: string): number | null {
  let open = 0;
  let line = 1;
  let dashes = 0;
  for (const character of text) {
    if (character === '\n') {
      line += 1;
      dashes = 0;
    } else if (character === '[' || character === '{') open += 1;
    else if (character === ']' || character === '}') open = Math.max(0, open - 1);
    else if (character === '-' || character === '?' || character === ':') dashes += 1;
    if (open > 500 || dashes > 5000) return line;
  }
  return null;
}

interface Read {
  value: unknown;
  positions: Positions;
}

class Reader {
  readonly problems: SourceProblem[] = [];
  private readonly anchors = new Map<string, Node>();
  private values = 0;

  constructor(private readonly lines: LineCounter) {}

  read(node: Node | null | undefined, path: string[], depth: number, line: number): Read {
    this.values += 1;
    if (this.values > sourceLimits.values) {
      throw new TooMuch(`too many values: at most ${sourceLimits.values}, aliases counted each time`);
    }
    if (depth > sourceLimits.depth) {
      throw new TooMuch(tooNested);
    }
    const positions: Positions = { line: this.lineOf(node) ?? line, children: new Map() };
    if (!node) return { value: null, positions };
    if (isAlias(node)) {
      const target = this.anchors.get(node.source);
      if (target) return this.read(target, path, depth + 1, positions.line);
      this.report(path, positions.line, `no anchor "&${node.source}" stands before this alias`);
      return { value: null, positions };
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.anchors.set(node.anchor, node);
    if (isMap(node)) return { value: this.readMap(node.items, path, depth, positions), positions };
    if (isSeq(node)) {
      const value = node.items.map((item, index) => {
        const read = this.read(item as Node, [...path, String(index)], depth + 1, positions.line);
        positions.children.set(String(index), read.positions);
        return read.value;
      });
      return { value, positions };
    }
    const value: unknown = isScalar(node) ? node.value : undefined;
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return { value, positions };
    this.report(
      path,
      positions.line,
      'expected text, a number, true, false, null, a list or keys with values',
    );
    return { value: null, positions };
  }

  private readMap(pairs: readonly Pair[], path: string[], depth: number, positions: Positions): unknown {
    const own = new Map<string, unknown>();
    const merged = new Map<string, Read>();
    for (const pair of pairs) {
      const line = this.lineOf(pair.key as Node | null) ?? positions.line;
      const key = this.keyOf(pair.key, path, line);
      if (key === null) continue;
      if (key === '<<' && isScalar(pair.key) && pair.key.type === 'PLAIN') {
        this.merge(this.read(pair.value as Node | null, path, depth + 1, line), path, line, merged);
        continue;
      }
      if (own.has(key)) {
        this.report([...path, key], line, 'this key stands here twice');
        continue;
      }
      const read = this.read(pair.value as Node | null, [...path, key], depth + 1, line);
      own.set(key, read.value);
      positions.children.set(key, { line, children: read.positions.children });
    }
    for (const [key, read] of merged) {
      if (own.has(key)) continue;
      own.set(key, read.value);
      positions.children.set(key, read.positions);
    }
    return Object.fromEntries(own);
  }

  /** Keys of a merged mapping, or of a list of them (the first that has a key wins). */
  private merge(read: Read, path: string[], line: number, into: Map<string, Read>): void {
    const list = Array.isArray(read.value);
    const sources = list ? (read.value as unknown[]) : [read.value];
    sources.forEach((source, index) => {
      if (typeof source !== 'object' || source === null || Array.isArray(source)) {
        this.report(path, line, 'expected keys with values (or a list of such) to merge');
        return;
      }
      const places = list ? read.positions.children.get(String(index)) : read.positions;
      for (const [key, value] of Object.entries(source)) {
        const positions = places?.children.get(key) ?? { line, children: new Map<string, Positions>() };
        if (!into.has(key)) into.set(key, { value, positions });
      }
    });
  }

  /** The text of a key as written (`8:` and `off:` are names like any other). */
  private keyOf(key: unknown, path: string[], line: number): string | null {
    if (!isScalar(key) || key.value === null || key.value === undefined) {
      this.report(path, line, 'expected a name as key');
      return null;
    }
    const text = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
    if (text === '__proto__') {
      this.report([...path, text], line, 'a key may not have this name');
      return null;
    }
    return text;
  }

  private lineOf(node: Node | null | undefined): number | null {
    const start = node?.range?.[0];
    return start === undefined ? null : this.lines.linePos(start).line;
  }

  private report(path: string[], line: number, message: string): void {
    if (this.problems.length < sourceLimits.problems) this.problems.push({ path, message, line });
  }
}

/** The line of a path, or of the nearest part of it that stands in the text. */
export function lineAt(positions: Positions, path: readonly (string | number)[]): number {
  let place = positions;
  for (const key of path) {
    const next = place.children.get(String(key));
    if (!next) break;
    place = next;
  }
  return place.line;
}
