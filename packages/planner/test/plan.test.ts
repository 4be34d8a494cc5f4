import { describe, expect, it } from '@jest/globals';
import { jobCatalog, plan as planShape, stageTraining } from '@ferment/contracts';
import { plan, resolveSpec } from '../src/index.js';
import { countKinds, jobOf, known, parsed, planned, resolved, specText } from './support.js';

const sevenFactors = `ablation:
  design: one-at-a-time
  factors:
    temperature: { low: { stages.student.method.temperature: 1 }, high: { stages.student.method.temperature: 8 } }
    labels: { half: { stages.student.method.ceWeight: 0.5 } }
    augmentation: { off: { stages.student.train.augment: none } }
    smoothing: { on: { stages.student.train.labelSmoothing: 0.1 } }
    teachers: { two-only: { stages.student.teachers: [two] }, none: { stages.student.kind: train } }
`;

describe('sharing', () => {
  it('trains each fixed teacher once for 8 variants and 3 seeds', () => {
    const made = planned(specText(sevenFactors));
    expect(made.variants).toHaveLength(8);
    expect(made.trials).toHaveLength(24);
    // 3 teachers, and per trial one student: 21 distilled, 3 trained on labels only.
    expect(countKinds(made.jobs)).toEqual({ train: 3 + 3, distill: 21, evaluate: 3 + 24, export: 24 });
    const teacherKeys = new Set(made.trials.flatMap(({ jobs }) => [jobs['one'], jobs['two'], jobs['three']]));
    teacherKeys.delete(undefined);
    expect(teacherKeys.size).toBe(3);
    expect(made.fixedStages).toEqual(['one', 'two', 'three']);
  });

  it('trains teachers once a seed where they name none', () => {
    const made = planned(specText(sevenFactors, { 'seed: 0, ': '' }));
    expect(countKinds(made.jobs)).toEqual({ train: 9 + 3, distill: 21, evaluate: 9 + 24, export: 24 });
    expect(made.fixedStages).toEqual([]);
  });

  it('finds the same work in another experiment, whatever its name, seeds, and stages are called', () => {
    const first = planned(specText());
    const second = planned(
      specText('description: another\ntags: [x]\n', {
        'name: demo': 'name: other',
        'seeds: [0, 1, 2]': 'seeds: [2, 3]',
        student: 'pupil',
        one: 'first',
      }),
    );
    const keys = new Set(first.jobs.map(({ key }) => key));
    const shared = second.jobs.filter(({ key }) => keys.has(key));
    // Teachers and their evaluations; student, evaluation and export of seed 2.
    expect(countKinds(shared)).toEqual({ train: 3, evaluate: 4, distill: 1, export: 1 });
  });

  it('shares nothing with earlier work when it is to be fresh, and still shares within the plan', () => {
    const before = new Set(planned(specText()).jobs.map(({ key }) => key));
    const fresh = planned(specText(), { fresh: 'salt' });
    expect(fresh.jobs.filter(({ key }) => before.has(key))).toEqual([]);
    expect(countKinds(fresh.jobs)).toEqual(countKinds(planned(specText()).jobs));
  });

  it('says "fixed" only of what is one draw with all that it reads', () => {
    const chained = specText('', {
      'kind: train, seed: 0, model: { name: vgg }': 'kind: train, model: { name: vgg }',
      '    kind: distill\n': '    kind: distill\n    seed: 5\n',
    });
    expect(planned(chained).fixedStages).toEqual(['one', 'three']);
  });
});

describe('the graph', () => {
  const made = planned(specText(sevenFactors));

  it('is what the contracts say a plan is, and every parameter what the catalog says', () => {
    expect(planShape.parse(made)).toEqual(made);
    for (const job of made.jobs) expect(jobCatalog[job.kind].params.parse(job.params)).toEqual(job.params);
  });

  it('has each job behind its inputs', () => {
    const seen = new Set<string>();
    for (const job of made.jobs) {
      for (const input of job.inputs) expect(seen).toContain(input.from);
      seen.add(job.key);
    }
  });

  it('gives a student its teachers in order, evaluations and exports the best checkpoint', () => {
    const [trial] = made.trials;
    const student = jobOf(made, trial?.jobs['student']);
    expect(student.inputs).toEqual(
      ['one', 'two', 'three'].map((stage, position) => ({
        role: 'teachers',
        position,
        from: trial?.jobs[stage],
        output: 'best',
      })),
    );
    for (const role of ['evaluate:fer2013', 'export']) {
      expect(jobOf(made, trial?.jobs[role]).inputs).toEqual([
        { role: 'checkpoint', position: 0, from: student.key, output: 'best' },
      ]);
    }
  });

  it('names the jobs of a trial by role', () => {
    expect(Object.keys(made.trials[0]?.jobs ?? {}).toSorted()).toEqual([
      'evaluate:fer2013',
      'evaluate:fer2013:one',
      'evaluate:fer2013:three',
      'evaluate:fer2013:two',
      'export',
      'one',
      'student',
      'three',
      'two',
    ]);
    const alone = made.trials.find(({ variant }) => variant === 'teachers-none');
    expect(Object.keys(alone?.jobs ?? {}).toSorted()).toEqual(['evaluate:fer2013', 'export', 'student']);
    expect(jobOf(made, alone?.jobs['student']).kind).toBe('train');
  });

  it('lets a student start from the weights of another stage', () => {
    const text = specText('', {
      '    teachers: [one, two, three]\n': '    teachers: [one]\n    start: plain\n',
      'result: student':
        '  plain: { kind: train, model: { name: vgg, width: 0.5 }, train: *t }\nresult: student',
    });
    const other = planned(text);
    const [trial] = other.trials;
    expect(jobOf(other, trial?.jobs['student']).inputs).toEqual([
      { role: 'teachers', position: 0, from: trial?.jobs['one'], output: 'best' },
      { role: 'start', position: 0, from: trial?.jobs['plain'], output: 'best' },
    ]);
    expect(other.warnings).toEqual([
      'stage "two" does not lead to the result of any variant: it is not run',
      'stage "three" does not lead to the result of any variant: it is not run',
    ]);
  });

  it('carries the seed in trainings and in nothing else', () => {
    for (const job of made.jobs) {
      const training = job.kind === 'train' || job.kind === 'distill';
      expect(Object.hasOwn(job.params as object, 'seed')).toBe(training);
    }
  });

  it('scores the result, whole, on further data sets', () => {
    const text = specText('evaluate: { on: [{ dataset: kdef }, { dataset: fer2013 }] }\n', {
      'dataset: fer2013 }': 'dataset: fer2013, subset: { train: 1000, test: 500 } }',
    }).replace(
      'on: [{ dataset: kdef }, { dataset: fer2013, subset: { train: 1000, test: 500 } }]',
      'on: [{ dataset: kdef }, { dataset: fer2013 }]',
    );
    const other = planned(text);
    const [trial] = other.trials;
    expect(
      Object.keys(trial?.jobs ?? {})
        .filter((role) => role.startsWith('evaluate:'))
        .toSorted(),
    ).toEqual([
      'evaluate:fer2013',
      'evaluate:fer2013:one',
      'evaluate:fer2013:three',
      'evaluate:fer2013:two',
      'evaluate:kdef',
    ]);
    expect(jobOf(other, trial?.jobs['evaluate:kdef']).params).toMatchObject({
      data: { dataset: 'kdef', version: 'd'.repeat(64), protocol: 'carved', subset: null },
    });
    expect(jobOf(other, trial?.jobs['evaluate:fer2013']).params).toMatchObject({
      data: { subset: { train: 1000, test: 500 } },
    });
  });

  it('counts a training as three passes a step, one for each teacher, one over validation an epoch', () => {
    const other = planned(specText());
    const [trial] = other.trials;
    const teacher = jobOf(other, trial?.jobs['two']).cost;
    // 28,000 images in 280 batches of 100, 4 epochs, validation of 3,589.
    const images = 4 * 28_000;
    const validated = 4 * 3_589;
    expect(teacher?.images).toBe(images + validated);
    const perImage = (teacher?.macs ?? 0) / (3 * images + validated);
    expect(Number.isInteger(perImage)).toBe(true);
    const alone = specText('', {
      'teachers: [one, two, three]': 'teachers: [two]',
      'name: vgg, width: 0.5': 'name: vgg',
    });
    const taught = planned(alone);
    expect(jobOf(taught, taught.trials[0]?.jobs['student']).cost?.macs).toBe(
      perImage * (4 * images + validated),
    );
    expect(jobOf(other, trial?.jobs['evaluate:fer2013:two']).cost).toEqual({
      images: 3_589 * 2,
      macs: perImage * 3_589 * 2,
    });
  });
});

describe('a stage that starts from another', () => {
  const text = specText('', { 'teachers: [one, two, three]': 'teachers: [two]' }).replace(
    '  student:\n',
    '  tuned:\n    kind: train\n    start: two\n    model: { name: vgg }\n' +
      '    train: { epochs: 1, freeze: [features] }\n  student:\n',
  );

  it('reads its best checkpoint', () => {
    const made = planned(text.replace('result: student', 'result: tuned'));
    const tuned = jobOf(made, made.trials[0]?.jobs['tuned']);
    expect(tuned.kind).toBe('train');
    const [input] = tuned.inputs;
    expect(input).toMatchObject({ role: 'start', output: 'best' });
    expect(jobOf(made, input?.from).stage).toBe('two');
  });
});

describe('a stage that reads weights from a file', () => {
  const text = specText('', { 'teachers: [one, two, three]': 'teachers: [two]' })
    .replace(
      'stages:\n',
      `stages:\n  file: { kind: weights, file: ${'a'.repeat(64)}, model: { name: vgg }, except: [classifier] }\n`,
    )
    .replace('two: { kind: train,', 'two: { kind: train, start: file,');

  it('is one job for all trials, without evaluation, that the others start from', () => {
    const made = planned(text);
    expect(countKinds(made.jobs)).toMatchObject({ weights: 1, train: 1, distill: 3 });
    const two = jobOf(made, made.trials[0]?.jobs['two']);
    expect(two.inputs).toMatchObject([{ role: 'start', output: 'best' }]);
    expect(jobOf(made, two.inputs[0]?.from)).toMatchObject({
      kind: 'weights',
      stage: 'file',
      resource: 'light',
    });
  });

  it.each([
    [
      'a file of another model',
      text.replace('model: { name: vgg }, except', 'model: { name: hybrid }, except'),
      'same model',
    ],
    [
      'a file as the result',
      text.replace('result: student', 'result: file'),
      'reads weights and trains nothing',
    ],
    [
      'an adversarial stage without a training',
      text
        .replace('result: student', 'result: robust')
        .replace(
          '  student:',
          '  robust: { kind: adversarial, start: file, method: { name: pgd-at } }\n  student:',
        ),
      'was not trained here',
    ],
  ])('%s is refused', (_, wrong, message) => {
    expect(() => parsed(wrong)).toThrow(message);
  });

  it('an adversarial stage may start from it with a training of its own', () => {
    const robust = text
      .replace('result: student', 'result: robust')
      .replace(
        '  student:',
        '  robust: { kind: adversarial, start: file, method: { name: pgd-at }, train: { epochs: 1 } }\n  student:',
      );
    expect(countKinds(planned(robust).jobs)).toMatchObject({ weights: 1, adversarial: 3 });
  });
});

describe('designs', () => {
  it('leave one out: every level once against the baseline', () => {
    const made = planned(specText(sevenFactors));
    expect(made.baseline).toBe('baseline');
    expect(made.trials.filter(({ variant }) => variant === 'smoothing-on').map(({ seed }) => seed)).toEqual([
      0, 1, 2,
    ]);
    const variant = made.variants.find(({ name }) => name === 'augmentation');
    const student = variant && stageTraining(variant.spec, 'student');
    expect(student?.train.augment).toBe('none');
    expect(student?.train.labelSmoothing).toBe(0);
  });

  it('full factorial: every cell', () => {
    const made = planned(
      specText(`ablation:
  design: full-factorial
  factors:
    t: { low: { stages.student.method.temperature: 1 }, high: { stages.student.method.temperature: 8 } }
    a: { off: { stages.student.train.augment: none } }
`),
    );
    const cells = made.variants.map(({ name, spec: own }) => [
      name,
      own.stages['student']?.kind === 'distill' && own.stages['student'].method.temperature,
      stageTraining(own, 'student')?.train.augment,
    ]);
    expect(cells).toEqual([
      ['baseline', 4, 'standard'],
      ['a', 4, 'none'],
      ['t-low', 1, 'standard'],
      ['t-low_a', 1, 'none'],
      ['t-high', 8, 'standard'],
      ['t-high_a', 8, 'none'],
    ]);
  });

  it('a list: every variant', () => {
    const made = planned(
      specText(`ablation:
  design: list
  variants:
    - { name: teacher, patch: { result: two } }
    - { name: wide, patch: { stages.student.model.width: 1 } }
`),
    );
    expect(made.variants.map(({ name }) => name)).toEqual(['baseline', 'teacher', 'wide']);
    const teacher = made.trials.find(({ variant }) => variant === 'teacher');
    // The teacher is trained already; only its export is new.
    expect(jobOf(made, teacher?.jobs['evaluate:fer2013']).key).toBe(
      made.trials[0]?.jobs['evaluate:fer2013:two'],
    );
    expect(made.fixedStages).toEqual(['one', 'two', 'three']);
  });
});

describe('warnings', () => {
  it('name what makes a table say less than it seems to', () => {
    const text = specText(
      `ablation:
  design: one-at-a-time
  factors:
    same: { off: { stages.student.method.temperature: 4 } }
    longer: { twice: { stages.student.train.epochs: 8 } }
`,
      { 'seeds: [0, 1, 2]': 'seeds: [0]' },
    );
    expect(planned(text).warnings).toEqual([
      'one seed: the table can show no interval and no test',
      'variants "baseline" and "same" are the same work: their difference is zero',
      'variant "longer-twice" trains its result for 2240 updates, the baseline for 1120',
    ]);
  });

  it('say that a result with its own seed has no replicates', () => {
    const text = specText('', { '    kind: distill\n': '    kind: distill\n    seed: 1\n' });
    expect(planned(text).warnings).toEqual([
      'stage "student" is the result and names its own seed: its trials are one run, not replicates',
    ]);
  });
});

describe('a large grid', () => {
  const levels = (count: number, path: string, value: (level: number) => number) =>
    `{ ${Array.from({ length: count }, (_, level) => `l${level}: { ${path}: ${value(level + 1)} }`).join(', ')} }`;
  const grid = (count: number) =>
    specText(
      `ablation:
  design: full-factorial
  factors:
    a: ${levels(count, 'stages.student.method.temperature', (level) => level + 10)}
    b: ${levels(count, 'stages.student.method.ceWeight', (level) => level)}
    c: ${levels(count, 'stages.student.train.batch', (level) => level + 10)}
    d: ${levels(count, 'stages.student.model.width', (level) => level / 10)}
`,
      { 'seeds: [0, 1, 2]': 'seeds: [0]' },
    );
  const timed = (count: number) => {
    const spec = parsed(grid(count));
    const start = performance.now();
    const made = plan(resolveSpec(spec, known).spec, known);
    return { made, milliseconds: performance.now() - start };
  };

  // Absolute times say little on a shared machine: what is checked is that the cost of a trial does not grow.
  it('has every cell, each teacher once, and costs no more a trial than a small one', () => {
    const small = timed(4);
    const large = timed(7);
    expect(small.made.trials).toHaveLength(5 ** 4);
    expect(large.made.trials).toHaveLength(8 ** 4);
    expect(countKinds(large.made.jobs)['train']).toBe(3);
    expect(large.made.warnings.length).toBeLessThan(20);
    expect(large.milliseconds / 8 ** 4).toBeLessThan((4 * small.milliseconds) / 5 ** 4);
  });
});

describe('plan', () => {
  it('refuses a spec whose data set is not pinned', () => {
    expect(() => plan(parsed(specText()), known)).toThrow('resolveSpec comes before plan');
  });

  it('gives the same plan for the same spec, and for its stored form', () => {
    const spec = resolved(specText(sevenFactors));
    expect(plan(spec, known)).toEqual(plan(spec, known));
    const stored = parsed(JSON.stringify(spec));
    expect(plan(resolveSpec(stored, known).spec, known)).toEqual(plan(spec, known));
  });
});
