import { describe, expect, it } from '@jest/globals';
import {
  asksForRobustness,
  countVariants,
  parseSpecText,
  stageTraining,
  variantsOf,
  variantSpec,
  type ExperimentSpec,
  type Patch,
} from '../src/index.js';

const written = `specVersion: 1
name: demo
data: { dataset: fer2013 }
stages:
  teacher: { kind: train, seed: 0, model: { name: resnet18 }, train: { epochs: 8 } }
  student:
    kind: distill
    teachers: [teacher]
    model: { name: mobilenetv3-large, dropout: 0.4 }
    method: { name: kd, temperature: 3 }
    train: { epochs: 8, optimizer: { name: sgd, lr: 0.1, momentum: 0.5 }, schedule: { name: constant } }
result: student
`;

function specWith(ablation: string): ExperimentSpec {
  const parsed = parseSpecText(written + ablation);
  if (!parsed.ok)
    throw new Error(parsed.problems.map((problem) => `${problem.path}: ${problem.message}`).join('\n'));
  return parsed.spec;
}

const trainingOf = (spec: ExperimentSpec) => stageTraining(spec, 'student');

/** The spec of the only variant that a patch makes. */
function patched(patch: Patch): ExperimentSpec {
  const spec = specWith('');
  const result = variantSpec(spec, { name: 'v', factors: {}, parts: [{ path: ['ablation'], patch }] });
  if (result.spec === null) throw new Error(result.findings.map((finding) => finding.message).join('\n'));
  return result.spec;
}

describe('designs', () => {
  it('without an ablation have the spec as written', () => {
    expect(variantsOf(null).map(({ name }) => name)).toEqual(['baseline']);
  });

  it('one-at-a-time has the baseline and each level of each factor', () => {
    const { ablation } = specWith(`ablation:
  design: one-at-a-time
  factors:
    augmentation: { off: { stages.student.train.augment: none } }
    temperature: { 2: { stages.student.method.temperature: 2 }, 8: { stages.student.method.temperature: 8 } }
`);
    expect(variantsOf(ablation).map(({ name, factors }) => [name, factors])).toEqual([
      ['baseline', {}],
      ['augmentation', { augmentation: 'off' }],
      ['temperature-2', { temperature: '2' }],
      ['temperature-8', { temperature: '8' }],
    ]);
    expect(countVariants(ablation)).toBe(4);
  });

  it('full-factorial has every combination, a factor as written left out', () => {
    const { ablation } = specWith(`ablation:
  design: full-factorial
  factors:
    a: { off: { stages.student.train.augment: none } }
    t: { lo: { stages.student.method.temperature: 2 }, hi: { stages.student.method.temperature: 8 } }
`);
    expect(variantsOf(ablation).map(({ name, factors }) => [name, factors])).toEqual([
      ['baseline', {}],
      ['t-lo', { t: 'lo' }],
      ['t-hi', { t: 'hi' }],
      ['a', { a: 'off' }],
      ['a_t-lo', { a: 'off', t: 'lo' }],
      ['a_t-hi', { a: 'off', t: 'hi' }],
    ]);
    expect(countVariants(ablation)).toBe(6);
  });

  it('a list has its variants', () => {
    const { ablation } = specWith(`ablation:
  design: list
  variants: [{ name: hot, patch: { stages.student.method.temperature: 9 } }]
`);
    expect(variantsOf(ablation).map(({ name, factors }) => [name, factors])).toEqual([
      ['baseline', {}],
      ['hot', {}],
    ]);
  });

  it('keep names of cells within 64 characters, and apart', () => {
    const long = (letter: string) => letter.repeat(40);
    const { ablation } = specWith(`ablation:
  design: full-factorial
  factors:
    ${long('a')}: { x: { stages.student.train.augment: none }, y: { stages.student.train.augment: flip } }
    ${long('b')}: { x: { stages.student.method.temperature: 2 }, y: { stages.student.method.temperature: 8 } }
`);
    const names = variantsOf(ablation).map(({ name }) => name);
    expect(new Set(names).size).toBe(9);
    for (const name of names) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);
  });
});

describe('a patch', () => {
  it('changes its path and nothing else', () => {
    const spec = specWith('');
    expect(patched({ 'stages.student.method.temperature': 8 })).toEqual({
      ...spec,
      stages: {
        ...spec.stages,
        student: {
          ...spec.stages['student'],
          method: { name: 'kd', temperature: 8, ceWeight: 0.1, distillWeight: 0.9, calibrated: false },
        },
      },
    });
    expect(specWith('')).toEqual(spec);
  });

  it('that is null lets the default hold', () => {
    expect(trainingOf(patched({ 'stages.student.model.dropout': null }))?.model).toEqual({
      name: 'mobilenetv3-large',
      stem: 'small',
      width: 1,
      dropout: 0.2,
    });
    expect(trainingOf(patched({ 'stages.student.train.optimizer': null }))?.train.optimizer).toEqual({
      name: 'sgd',
      lr: 0.05,
      momentum: 0.9,
      nesterov: true,
      weightDecay: 5e-4,
    });
  });

  it('of a name replaces the whole object, other entries of the patch on top, in any order', () => {
    const expected = { name: 'adamw', lr: 0.01, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.05 };
    const entries = Object.entries({
      'stages.student.train.optimizer.lr': 0.01,
      'stages.student.train.optimizer.name': 'adamw',
    });
    for (const order of [entries, entries.toReversed()]) {
      expect(trainingOf(patched(Object.fromEntries(order)))?.train.optimizer).toEqual(expected);
    }
  });

  it('of a kind keeps what the new kind knows', () => {
    const student = trainingOf(specWith(''));
    expect(patched({ 'stages.student.kind': 'train' }).stages['student']).toEqual({
      kind: 'train',
      model: student?.model,
      train: student?.train,
    });
  });

  it('of the data set lets go of the version pinned before', () => {
    const spec = specWith('');
    const pinned: ExperimentSpec = { ...spec, data: { ...spec.data, version: 'a'.repeat(64) } };
    const variant = (patch: Patch) =>
      variantSpec(pinned, { name: 'v', factors: {}, parts: [{ path: [], patch }] });
    expect(variant({ 'data.dataset': 'kdef' }).spec?.data).not.toHaveProperty('version');
    expect(variant({ 'data.dataset': 'kdef', 'data.version': 'b'.repeat(64) }).spec?.data.version).toBe(
      'b'.repeat(64),
    );
    expect(variant({ 'data.subset': { train: 50 } }).spec?.data.version).toBe('a'.repeat(64));
  });

  it('may replace one entry of a list, open what is null, and change the result', () => {
    expect(patched({ 'data.subset.train': 700 }).data.subset).toEqual({ train: 700, seed: 0 });
    expect(patched({ result: 'teacher' }).result).toBe('teacher');
    expect(patched({ 'stages.student.teachers.0': 'teacher' }).stages).toEqual(specWith('').stages);
    expect(() => patched({ 'stages.student.teachers.1': 'teacher' })).toThrow(/number of an entry/);
  });

  it('may add a stage as a whole, and not a part of one', () => {
    const stage = { kind: 'train', model: { name: 'vgg' }, train: { epochs: 2 } };
    expect(Object.keys(patched({ 'stages.extra': stage }).stages)).toEqual(['teacher', 'student', 'extra']);
    expect(() => patched({ 'stages.extra.kind': 'train' })).toThrow(/no "extra" here/);
  });

  it.each([
    [{ 'stages.student.train.augment.flip': 1 }, /has no keys/],
    [{ 'stages.student.train.epochs.more': 1 }, /has no keys/],
    [{ 'stages.student': null }, /no stage "student"/],
    [{ 'stages.student.train.updates': 100 }, /exactly one of/],
    [{ name: 'other' }, /cannot change this/],
    [{ ablation: null }, /cannot change this/],
    [{ rsult: 'teacher' }, /unknown key/],
    [{ 'stages.__proto__.kind': 'train' }, /has no keys|no "__proto__"/],
  ] as [Patch, RegExp][])('%j is refused', (patch, expected) => {
    expect(() => patched(patch)).toThrow(expected);
  });
});

describe('attacks are asked for', () => {
  const asked = (more: string) => {
    const parsed = parseSpecText(written + more);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return asksForRobustness(parsed.spec);
  };
  const variant = (patch: string) =>
    `ablation: { design: list, variants: [{ name: other, patch: { ${patch} } }] }\n`;

  it.each([
    ['evaluate: { attacks: [{ fgsm: { epsilon: [8/255] } }] }\n', true],
    ['evaluate: { corruptions: { kinds: all } }\n', true],
    [variant('evaluate.attacks: [{ fgsm: { epsilon: [8/255] } }]'), true],
    [variant('evaluate.corruptions: { kinds: all }'), true],
    ['', false],
    ['evaluate: { attackImages: 10 }\n', false],
    [variant('evaluate.attackImages: 10'), false],
    [variant('stages.student.method.temperature: 1'), false],
  ])('%j: %s', (more, expected) => {
    expect(asked(more)).toBe(expected);
  });
});
