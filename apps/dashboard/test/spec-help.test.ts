import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { helpAt, helpOf } from '../lib/spec-help';
import { meaningsOf } from '../lib/spec-meanings';

const root = join(import.meta.dirname, '../../..');
const meanings = meaningsOf(readFileSync(join(root, 'docs/spec.md'), 'utf8'));

/** Help at the bar. */
function help(text: string) {
  const found = helpAt(text.replace('|', ''), text.indexOf('|'), meanings);
  return found && { name: found.name, facts: found.facts, of: found.meaning?.of, text: found.meaning?.text };
}

const stage = (line: string) => `stages:\n  one:\n    kind: train\n    ${line}\nresult: one\n`;

describe('help at a place of a spec', () => {
  it('says what a key takes, its default, and what the guide says of it', () => {
    expect(help('run: { prio|rity: 5 }')).toEqual({
      name: 'run.priority',
      facts: ['a whole number from 1 to 10', 'default 5'],
      of: null,
      text: meanings['run.priority'],
    });
    expect(help(stage('train: { ba|tch: 64 }'))).toMatchObject({
      name: 'train.batch',
      facts: ['a whole number from 1 to 8192', 'default 128'],
      text: 'images an update',
    });
    expect(help('data: { data|set: fer2013 }')?.text).toBe('name of an imported data set');
    expect(help('seeds|: [0]')?.facts).toEqual(['a list of numbers', 'default [0]']);
    expect(help('run: { ti|meout: 5 }')?.facts).toEqual([
      'a number above 0, at most 1000000',
      'may be left out',
    ]);
  });

  it('says what a mapping is for, at a key of it of which nothing else is said', () => {
    expect(help('data: { subset: { tr|ain: 100 } }')).toMatchObject({
      of: 'data.subset',
      text: meanings['data.subset'],
    });
    expect(help('evaluate: { attacks: [{ pgd: { st|eps: 5 } }] }')).toMatchObject({
      of: 'evaluate.attacks',
      facts: ['a whole number from 1 to 1000', 'default 20'],
    });
    expect(help('evaluate: { attacks: [{ p|gd: { steps: 5 } }] }')?.text).toContain('Madry');
  });

  it('says what a word means where it stands', () => {
    expect(help(stage('model: { name: resn|et18 }'))?.text).toContain('He et al.');
    expect(help(stage('model: { na|me: resnet18 }'))?.text).toContain('He et al.');
    expect(help(stage('model: { na|me: resnet18 }'))?.facts[0]).toContain('vgg');
    expect(help('stages:\n  one:\n    kind: dist|ill\n')).toMatchObject({
      of: 'distill',
      text: meanings['kind=distill'],
    });
    expect(help('stages:\n  on|e:\n    kind: calibrate\n')?.of).toBe('calibrate');
  });

  it('follows the paths of patches', () => {
    const patch =
      'ablation:\n  design: one-at-a-time\n  factors: { a: { b: { stages.one.train.ba|tch: 8 } } }\n';
    expect(help(`${stage('train: { epochs: 1 }')}${patch}`)).toMatchObject({ name: 'train.batch' });
  });

  it('is nothing in comments and names that no schema knows, and breaks on no text', () => {
    expect(help('# se|eds\nseeds: [0]')).toBeNull();
    expect(help('sedes|: [0]')).toBeNull();
    const folder = join(root, 'examples');
    const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    fc.assert(
      fc.property(fc.constantFrom(...texts), fc.nat(), fc.nat(), (text, at, end) => {
        const position = at % (text.length + 1);
        const cut = text.slice(0, Math.max(position, end % (text.length + 1)));
        const found = helpAt(cut, position, meanings);
        if (found) expect(found.facts.length).toBeGreaterThan(0);
      }),
      { numRuns: 150 },
    );
  });
});

describe('the guide to specs', () => {
  it('says something of every key outside of stages', () => {
    const roots = [
      'name',
      'data',
      'stages',
      'result',
      'evaluate',
      'select.metric',
      'seeds',
      'ablation',
      'search',
    ];
    const run = ['priority', 'parallel', 'timeout', 'memory'].map((key) => `run.${key}`);
    for (const id of [...roots, ...run]) {
      expect(helpOf({}, id.split('.'), meanings)?.meaning).toEqual({ of: null, text: meanings[id] });
      expect(meanings[id]).not.toMatch(/\]\(|see below/);
    }
  });
});
