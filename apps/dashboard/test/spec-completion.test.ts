import { describe, expect, it } from '@jest/globals';
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
    expect(offered(stages)).toEqual(['teacher', 'student']);
    expect(offered(`${head}stages:\n  one: { kind: train }\nresult: |`)).toEqual(['one']);
    expect(offered('data: { dataset: | }')).toEqual(['fer2013', 'kdef']);
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
