import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exampleOf, missingFor, needsOf, runnableFirst } from '../lib/examples';

const folder = join(import.meta.dirname, '../../../examples');
const examples = readdirSync(folder).map((name) =>
  exampleOf(name.replace('.yaml', ''), readFileSync(join(folder, name), 'utf8')),
);
const named = (name: string) => examples.filter((example) => example.name === name);

describe('the examples', () => {
  it('say what each is for, and which make a robustness table', () => {
    for (const { description } of examples) expect(description.length).toBeGreaterThan(20);
    expect(named('robust-student')[0]?.description).toContain('robustness table');
    expect(named('quickstart')[0]?.description).not.toContain('robustness table');
  });

  it('name the data sets that are not there, of a variant or a second test too', () => {
    expect(named('across').map((example) => missingFor(example, ['fer2013']))).toEqual([['kdef']]);
    expect(named('across').map((example) => needsOf(example, []))).toEqual([
      'needs fer2013 and kdef, not imported here',
    ]);
    expect(named('quickstart').map((example) => needsOf(example, ['synthetic-faces']))).toEqual(['']);
  });

  it('come in order of what can run', () => {
    const order = runnableFirst(examples, ['synthetic-faces']).map(({ name }) => name);
    expect(order.slice(0, 2).sort()).toEqual(['quickstart', 'search']);
    expect(order).toHaveLength(examples.length);
    expect(runnableFirst(examples, [])).toEqual(examples);
  });
});
