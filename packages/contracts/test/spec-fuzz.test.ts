import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  canonicalSpec,
  formatProblem,
  parseSpecText,
  parseSpecValue,
  type ParsedSpec,
} from '../src/index.js';

const valid = `specVersion: 1
name: demo
data: { dataset: fer2013, subset: { train: 100 } }
stages:
  teacher: { kind: train, seed: 0, model: { name: vgg }, train: &t { epochs: 8, optimizer: { name: adamw } } }
  student:
    kind: distill
    teachers: [teacher]
    model: { name: mobilenetv3-large, width: 1/2 }
    method: { name: kd }
    train: { <<: *t, augment: { flip: 0.5, scale: [0.9, 1.1] } }
result: student
evaluate: { on: [{ dataset: kdef }] }
seeds: [0, 1]
ablation:
  design: full-factorial
  factors:
    teachers: { none: { stages.student.kind: train } }
    width: { half: { stages.student.model.width: 0.5 } }
`;

/** Whatever came in: an answer, never an exception; problems that say where and what. */
function expectAnswer(parsed: ParsedSpec, lines: number): void {
  if (parsed.ok) {
    const again = parseSpecValue(parsed.spec);
    expect(again.ok && canonicalSpec(again.spec)).toBe(canonicalSpec(parsed.spec));
    return;
  }
  expect(parsed.problems.length).toBeGreaterThan(0);
  expect(parsed.problems.length).toBeLessThanOrEqual(50);
  for (const problem of parsed.problems) {
    expect(problem.message).not.toBe('');
    if (problem.line !== null) {
      expect(problem.line).toBeGreaterThanOrEqual(1);
      expect(problem.line).toBeLessThanOrEqual(lines);
    }
    expect(formatProblem(problem, 'f.yaml')).toMatch(/^f\.yaml/);
  }
}

const linesOf = (text: string) => text.split('\n').length;

/** Names that objects inherit, next to names that specs use. */
const name = fc.constantFrom(
  'constructor',
  'toString',
  'hasOwnProperty',
  '__proto__',
  'prototype',
  'valueOf',
  'length',
  'name',
  'kind',
  'stages',
  'data',
  'teachers',
  'ablation',
  'factors',
  'patch',
  'train',
  'a.b',
  '',
  '0',
);
const { value: anything } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom(null, true, 0, -1, 1e308, 1.5, 'vgg', '8/255', '1/0', '', 'student', 7),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .array(fc.tuple(name, tie('value')), { maxLength: 5 })
      .map((entries) => Object.fromEntries(entries) as unknown),
  ),
}));

describe('hostile input', () => {
  it('as any text is answered', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expectAnswer(parseSpecText(text), linesOf(text));
      }),
      { numRuns: 500 },
    );
  });

  it('as text made of what YAML means something by is answered', () => {
    const piece = fc.constantFrom(
      '- ',
      '? ',
      ': ',
      '{',
      '}',
      '[',
      ']',
      ', ',
      '&a ',
      '*a',
      '<<: ',
      '!!str ',
      '!x ',
      '"',
      "'",
      '\n',
      '  ',
      '\t',
      '#',
      '%YAML 1.1\n',
      '---\n',
      '...\n',
      '|\n',
      '>-\n',
      'stages:\n',
      'name: ',
      'x',
      '1',
      '.nan',
      '0x1f',
      '~',
      '\u0000',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const text = pieces.join('');
        expectAnswer(parseSpecText(text), linesOf(text));
      }),
      { numRuns: 1000 },
    );
  });

  it('as a valid spec with a few characters changed is answered', () => {
    const edit = fc.record({
      at: fc.nat(valid.length),
      remove: fc.nat(12),
      insert: fc.constantFrom(
        '',
        ' ',
        '\n',
        ':',
        '{',
        ']',
        '-',
        '0',
        'x',
        '"',
        '*t',
        'null',
        '-1',
        '__proto__: 1, ',
        '1e999',
      ),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const text = edits.reduce(
          (before, { at, remove, insert }) => before.slice(0, at) + insert + before.slice(at + remove),
          valid,
        );
        expectAnswer(parseSpecText(text), linesOf(text));
      }),
      { numRuns: 300 },
    );
  });

  it('as any value, and in any place of a valid spec, is answered', () => {
    const parsed = parseSpecText(valid);
    if (!parsed.ok) throw new Error(parsed.problems.map((problem) => problem.message).join('\n'));
    const places = placesOf(parsed.value);
    // Found by drawing: a length that is no number.
    const unmeasurable = { length: [{ toString: null }] };
    expectAnswer(parseSpecValue(replaced(parsed.value, ['stages', 'student', 'teachers'], unmeasurable)), 0);
    fc.assert(
      fc.property(anything, fc.constantFrom(...places), (value, place) => {
        expectAnswer(parseSpecValue(value), 0);
        expectAnswer(parseSpecValue(replaced(parsed.value, place, value)), 0);
      }),
      { numRuns: 1000 },
    );
  });

  it('as a patch to any path with any value is answered', () => {
    const segment = fc.oneof(
      name,
      fc.constantFrom('student', 'teacher', 'method', 'optimizer', 'epochs', 'model', '1'),
    );
    const path = fc.array(segment, { minLength: 1, maxLength: 5 }).map((segments) => segments.join('.'));
    const patch = fc.array(fc.tuple(path, anything), { minLength: 1, maxLength: 3 });
    const parsed = parseSpecText(valid);
    if (!parsed.ok) throw new Error('refused');
    fc.assert(
      fc.property(patch, (entries) => {
        const variants = [{ name: 'v', patch: Object.fromEntries(entries) }];
        const value = { ...(parsed.value as object), ablation: { design: 'list', variants } };
        expectAnswer(parseSpecValue(value), 0);
      }),
      { numRuns: 1000 },
    );
  });

  it('changes nothing outside the answer', () => {
    parseSpecText('__proto__: { polluted: 1 }\nconstructor: { prototype: { polluted: 1 } }');
    parseSpecValue(
      JSON.parse('{"__proto__": {"polluted": 1}, "stages": {"constructor": {"prototype": {"polluted": 1}}}}'),
    );
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it.each([
    ['brackets without end', '['.repeat(200_000)],
    ['braces without end', '{a: '.repeat(60_000)],
    ['dashes without end', '- '.repeat(120_000)],
    [
      'indentation without end',
      Array.from({ length: 600 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    ],
    ['a text beyond the limit', 'x'.repeat(1_000_000)],
    ['keys without end', Array.from({ length: 20_000 }, (_, index) => `k${index}: 1`).join('\n')],
  ])('%s are refused', (_, text) => {
    const parsed = parseSpecText(text);
    expect(parsed.ok).toBe(false);
    expectAnswer(parsed, linesOf(text));
  });
});

type Path = (string | number)[];

/** Every place inside a value. */
function placesOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, child]) => placesOf(child, [...path, key]))];
}

/** A copy of a value with something else at a place. */
function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return value.map((item: unknown, index) => (String(index) === key ? replaced(item, rest, by) : item));
  }
  const entries = Object.entries(value as object);
  return Object.fromEntries(
    entries.map(([name, item]: [string, unknown]) => [name, name === key ? replaced(item, rest, by) : item]),
  );
}
