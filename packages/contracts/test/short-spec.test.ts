import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSpecText, shortSpec, shortSpecText, type ExperimentSpec } from '../src/index.js';

const folder = join(import.meta.dirname, '../../../examples');
const examples = readdirSync(folder).map((name) => ({
  name,
  text: readFileSync(join(folder, name), 'utf8'),
}));

function read(text: string): ExperimentSpec {
  const parsed = parseSpecText(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.spec;
}

describe('the short form of a spec', () => {
  it.each(examples)('reads as the same spec: $name', ({ text }) => {
    const spec = read(text);
    const short = shortSpecText(spec);
    expect(read(short)).toEqual(spec);
    expect(shortSpecText(read(short))).toBe(short);
  });

  it('holds what was written, and nothing that was not', () => {
    const text =
      'specVersion: 1\nname: one\ndata: { dataset: faces }\nstages:\n' +
      '  only:\n    kind: train\n    model: { name: vgg }\n    train: { epochs: 3 }\nresult: only\n';
    expect(shortSpecText(read(text))).toBe(text);
    expect(shortSpec(read(text.replace('epochs: 3', 'epochs: 3, batch: 128, mixup: 0')))).toEqual(
      shortSpec(read(text)),
    );
  });

  it('keeps what differs from a default in a part of it alone', () => {
    const spec = read(
      'specVersion: 1\nname: one\ndata: { dataset: faces, subset: { train: 100, seed: 0 } }\nstages:\n' +
        '  only: { kind: train, model: { name: vgg }, train: { epochs: 3, schedule: { name: cosine } } }\n' +
        'result: only\nseeds: [0, 1]\nrun: { priority: 5, timeout: 3 }\n',
    );
    const short = shortSpec(spec);
    expect(short.data.subset).toEqual({ train: 100 });
    expect(short.stages.only).toMatchObject({ train: { epochs: 3, schedule: { name: 'cosine' } } });
    expect(short.seeds).toEqual([0, 1]);
    expect(short.run).toEqual({ timeout: 3 });
  });
});
