import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { completeSpec } from '../lib/spec-completion';

/** Labels that are offered at the bar. */
function offered(text: string): string[] | null {
  const position = text.indexOf('|');
  const found = completeSpec(text.replace('|', ''), position, { datasets: ['fer2013', 'kdef'] });
  return found && found.options.map(({ label }) => label);
}

const head = 'specVersion: 1\nname: demo\ndata: { dataset: fer2013 }\n';

describe('what a spec may say at a place', () => {
  it('is its keys at the top, without those that are there', () => {
    const labels = offered(`${head}|`);
    expect(labels).toEqual(expect.arrayContaining(['stages', 'result', 'ablation', 'search']));
    expect(labels).not.toContain('name');
    expect(offered(`${head}sta|`)).toContain('stages');
  });

  it('is the kinds of stages, and the keys of the kind that was chosen', () => {
    expect(offered(`${head}stages:\n  one:\n    kind: |`)).toEqual(
      expect.arrayContaining(['train', 'distill', 'refine']),
    );
    const distill = offered(`${head}stages:\n  one:\n    kind: distill\n    |`);
    expect(distill).toEqual(expect.arrayContaining(['teachers', 'method', 'model', 'train']));
    expect(offered(`${head}stages:\n  one:\n    kind: train\n    |`)).not.toContain('teachers');
  });

  it('is found in flow mappings that are not closed, and deep inside', () => {
    expect(offered(`${head}stages:\n  one:\n    kind: train\n    model: { name: |`)).toEqual(
      expect.arrayContaining(['resnet18', 'vgg']),
    );
    expect(offered(`${head}stages:\n  one:\n    kind: train\n    model: { name: vgg, | }`)).toContain(
      'width',
    );
    expect(
      offered(
        `${head}stages:\n  one:\n    kind: train\n    train:\n      optimizer:\n        name: sgd\n        |\nresult: one\n`,
      ),
    ).toEqual(expect.arrayContaining(['lr', 'momentum']));
    expect(offered(`${head}ablation:\n  design: |`)).toContain('one-at-a-time');
  });

  it('is the names of stages and data sets where one is meant', () => {
    const stages = `${head}stages:\n  teacher: { kind: train }\n  student:\n    kind: distill\n    teachers: [|]\n`;
    expect(offered(stages)).toEqual(['teacher']);
    expect(offered(`${head}stages:\n  one: { kind: train }\nresult: |`)).toEqual(['one']);
    expect(offered('data: { dataset: | }')).toEqual(['fer2013', 'kdef']);
  });

  it.each([
    ['a key begun', 'model: { name: vgg, wi| }', ['width']],
    ['the first key', 'model: { | }', ['name', 'width']],
    ['the first key, unclosed', 'model: {|', ['name', 'width']],
    ['a key, unclosed', 'model: { name: vgg, |', ['width', 'dropout']],
    ['a key with no space before it', 'model: {name: vgg,wi|}', ['width']],
    ['a value', 'model: { name: | }', ['resnet18', 'vgg']],
    ['a value begun', 'model: { name: v|', ['vgg']],
    ['the value of a key in the middle', 'model: { name: |, width: 1 }', ['vgg']],
    ['a mapping in a mapping', 'train: { epochs: 3, optimizer: { name: sgd, | } }', ['lr', 'momentum']],
    ['a mapping in a mapping, unclosed', 'train: { epochs: 3, optimizer: { name: sgd, |', ['lr']],
    ['a key over lines', 'train: {\n      epochs: 3,\n      |\n    }', ['batch', 'optimizer']],
    [
      'the value of a switch',
      'train: { epochs: 3, optimizer: { name: sgd, nesterov: | } }',
      ['true', 'false'],
    ],
    ['a number that has a default', 'train: { epochs: 3, batch: | }', ['128']],
    ['a mapping as a value', 'train: |', ['epochs', 'batch']],
    ['a preset, or keys', 'train: { epochs: 3, augment: | }', ['standard', 'flip', 'cutout']],
  ])('is found in flow mappings: %s', (_what, line, labels) => {
    for (const after of ['', '\n    seed: 0\nresult: one\n', '\n  two: { kind: train }\nresult: one\n'])
      expect(offered(`${head}stages:\n  one:\n    kind: train\n    ${line}${after}`)).toEqual(
        expect.arrayContaining(labels),
      );
  });

  it('is found on a new line between others, and before a key in braces', () => {
    const lines = [
      '    kind: train',
      '    model: { name: vgg }',
      '    train:',
      '      epochs: 3',
      '      optimizer:',
    ];
    const text = (at: number, line: string) =>
      `${head}stages:\n  one:\n${[...lines.slice(0, at), line, ...lines.slice(at)].join('\n')}\n        name: sgd\nresult: one\n`;
    expect(offered(text(1, '    |'))).toEqual(expect.arrayContaining(['seed', 'start']));
    expect(offered(text(2, '    st|'))).toContain('start');
    expect(offered(text(3, '      ba|'))).toContain('batch');
    expect(offered(text(4, '      la|'))).toContain('labelSmoothing');
    expect(offered(text(5, '        l|'))).toContain('lr');
    expect(offered(`${head}stages:\n  one: { kind: train, model: { w| name: vgg } }`)).toContain('width');
    expect(offered(`${head}stages:\n  one: { kind: train, model: {\n    w|\n    name: vgg } }`)).toContain(
      'width',
    );
  });

  it('is found in flow lists', () => {
    const stages = (line: string) =>
      `${head}stages:\n  clean: { kind: refine }\n  resnet: { kind: train }\n  vgg: { kind: train }\n  two: ${line}\n`;
    expect(offered(stages('{ kind: distill, teachers: [resnet, |] }'))).toEqual(['resnet', 'vgg']);
    expect(offered(stages('{ kind: distill, teachers: [resnet, v|'))).toEqual(['resnet', 'vgg']);
    expect(offered(stages('{ kind: ensemble, members: [|] }'))).toEqual(['resnet', 'vgg']);
    expect(offered(stages('{ kind: adversarial, start: | }'))).toEqual(['resnet', 'vgg']);
    expect(offered(stages('{ kind: train, data: | }'))).toEqual(['clean']);
    expect(offered(`${head}evaluate: { attacks: [|] }`)).toEqual(['fgsm', 'pgd', 'cw']);
    expect(offered(`${head}evaluate: { attacks: [{ pgd: { | } }] }`)).toContain('epsilon');
    expect(offered(`${head}evaluate: { corruptions: { kinds: [contrast, |] } }`)).toContain('pixelate');
    expect(offered(`${head}evaluate: { on: [{ dataset: | }] }`)).toEqual(['fer2013', 'kdef']);
  });

  it('writes braces where a mapping begins in a line, and brackets where a list does', () => {
    const written = (text: string, label: string) => {
      const found = completeSpec(text.replace('|', ''), text.indexOf('|'), { datasets: [] });
      return found?.options.find((option) => option.label === label)?.apply;
    };
    expect(written(`${head}evaluate: { attacks: [|] }`, 'pgd')).toBe('{ pgd: | }');
    expect(written(`${head}evaluate:\n  attacks:\n    - |`, 'pgd')).toBe('pgd: |');
    expect(written(`${head}select: |`, 'metric')).toBe('{ metric: | }');
    expect(written(`${head}select:\n  |`, 'metric')).toBe('metric: |');
    expect(written(`${head}evaluate: { corruptions: { kinds: | } }`, 'all')).toBe('all|');
    expect(written(`${head}evaluate: { corruptions: { kinds: | } }`, 'contrast')).toBe('[contrast|]');
    const two = `${head}stages:\n  one: { kind: train }\n  two: { kind: distill, teachers: | }`;
    expect(written(two, 'one')).toBe('[one|]');
  });

  it('is the paths of the spec in patches, and what each path takes', () => {
    const patched = (patch: string) =>
      offered(
        `${head}stages:\n  one: { kind: train, model: { name: vgg } }\n  two: { kind: train }\nablation:\n` +
          `  design: one-at-a-time\n  factors:\n    size:\n      small: ${patch}\n`,
      );
    expect(patched('{ | }')).toEqual(['data', 'stages', 'result', 'evaluate', 'select']);
    expect(patched('{ stages.| }')).toEqual(['one', 'two']);
    expect(patched('{ stages.one.model.w| }')).toEqual(['name', 'width', 'dropout', 'head']);
    expect(patched('{ stages.one.model.name: | }')).toContain('resnet18');
    expect(patched('{ stages.one.model: { name: hybrid, |')).toContain('depth');
    expect(patched('{ result: | }')).toEqual(['one', 'two']);
    expect(offered(`${head}search:\n  space:\n    | `)).toEqual(['stages', 'result']);
    expect(offered(`${head}search:\n  space:\n    stages.one.seed: { kind: | }`)).toContain('loguniform');
  });

  it('breaks nowhere in any example, cut off or whole, and says where the word begins', () => {
    const folder = join(import.meta.dirname, '../../../examples');
    const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    const typed = fc.constantFrom('', ' ', '{ ', '{', '[', ', ', ': ', '}', '*', '&', '"', 'na', '- ', '\n');
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.nat(), typed, fc.boolean(), (text, at, word, cut) => {
        const begin = at % (text.length + 1);
        const end = cut ? `${text}\n`.indexOf('\n', begin) : begin;
        const position = begin + word.length;
        const found = completeSpec(`${text.slice(0, begin)}${word}${text.slice(end)}`, position, {
          datasets: ['fer2013'],
        });
        if (!found) return;
        expect(found.from).toBeLessThanOrEqual(position);
        for (const { label, apply } of found.options) {
          expect(apply).toContain(label);
          expect(apply.split('|')).toHaveLength(2);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('is nothing in comments, and of text that is no spec nothing breaks', () => {
    expect(offered(`${head}# sta|`)).toBeNull();
    for (const text of ['|', '[|', '{ a: *b, | }', '"|', ': : |', '- - |', '\t|'])
      expect(() => offered(text)).not.toThrow();
  });

  it('says what a key takes, and where its word begins', () => {
    const text = `${head}data2: 1\nsele`;
    const found = completeSpec(text, text.length, { datasets: [] });
    expect(found?.from).toBe(text.length - 4);
    const inData = completeSpec('data: { pre', 11, { datasets: [] });
    expect(inData?.options.find(({ label }) => label === 'labels')?.detail).toBe('default fer');
    expect(inData?.options.find(({ label }) => label === 'protocol')?.detail).toBe(
      'official, carved, subject-folds',
    );
  });
});
