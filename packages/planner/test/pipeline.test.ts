import { describe, expect, it } from '@jest/globals';
import { jobCatalog, type PlannedJob } from '@ferment/contracts';
import { previewOf, resolveSpec } from '../src/index.js';
import { countKinds, jobOf, known, parsed, planned, resolved } from './support.js';

/** Refinement, three teachers, EADD, adversarial training: the data-centric pipeline as one spec. */
const pipeline = (changes: Record<string, string> = {}, more = ''): string => {
  const text = `specVersion: 1
name: eadd
data: { dataset: fer2013, protocol: carved }
stages:
  clean:
    kind: refine
    steps:
      - { duplicates: { method: exact } }
      - { labelErrors: { folds: 3, model: { name: vgg, width: 0.5 }, train: { epochs: 2 } } }
    rebalance: { method: effective-number }
  rn: { kind: train, data: clean, seed: 0, model: { name: resnet18, width: 0.25 }, train: &t { epochs: 4, batch: 100 } }
  vgg: { kind: train, data: clean, seed: 0, model: { name: vgg }, train: *t }
  mb: { kind: train, data: clean, seed: 0, model: { name: mobilenetv3-large }, train: *t }
  student:
    kind: distill
    data: clean
    teachers: [rn, vgg, mb]
    model: { name: vgg, width: 0.5 }
    method: { name: eadd, outOfFold: { folds: 2, epochs: 1 } }
    train: *t
  robust:
    kind: adversarial
    start: student
    method: { name: trades, steps: 3 }
    train: { epochs: 1, batch: 50 }
result: robust
evaluate:
  attackImages: 500
  attacks: [{ pgd: { epsilon: [4/255, 8/255] } }]
seeds: [0, 1, 2]
${more}`;
  return Object.entries(changes).reduce((before, [from, to]) => {
    if (!before.includes(from)) throw new Error(`the spec has no "${from}"`);
    return before.replaceAll(from, to);
  }, text);
};

const problemsOf = (text: string) =>
  resolveSpec(parsed(text), known).problems.map(({ path, message }) => `${path}: ${message}`);

const inputRoles = (job: PlannedJob) => job.inputs.map(({ role, output }) => `${role} ${output}`);

describe('the pipeline from refinement to a robust student', () => {
  const made = planned(pipeline());
  const trial = made.trials[0];

  it('trains what all trials share once, out-of-fold trainings among it', () => {
    expect(countKinds(made.jobs)).toEqual({
      refine: 1,
      // Three folds for the label errors, three teachers, two folds of each.
      train: 3 + 3 + 6,
      // Each fold's held-out images, and each teacher's validation images.
      predict: 3 + 6 + 3,
      calibrate: 3,
      distill: 3,
      adversarial: 3,
      evaluate: 3 + 3 + 3,
      export: 3,
    });
    expect(made.fixedStages).toEqual(['rn', 'vgg', 'mb']);
    expect(previewOf(made, resolved(pipeline()), { finishedKeys: [] }).trainings).toEqual({
      withoutSharing: 3 * (3 + 3 + 6 + 2),
      planned: 3 + 3 + 6 + 3 + 3,
      outOfFold: 3 + 6,
      cached: 0,
    });
  });

  it('puts every job behind its inputs, which are outputs of the catalog in roles of the catalog', () => {
    const before = new Map<string, PlannedJob>();
    for (const job of made.jobs) {
      for (const { role, from, output } of job.inputs) {
        const source = before.get(from);
        expect(source).toBeDefined();
        const shape = jobCatalog[job.kind].inputs as Record<string, { kind: string }>;
        const outputs = jobCatalog[source?.kind ?? 'import'].outputs as Record<string, string>;
        expect(outputs[output]).toBe(shape[role]?.kind);
      }
      expect(() => jobCatalog[job.kind].params.parse(job.params)).not.toThrow();
      before.set(job.key, job);
    }
  });

  it('gives a student calibrated teachers and the predictions of every fold, teacher after teacher', () => {
    const student = jobOf(made, trial?.jobs['student']);
    expect(inputRoles(student)).toEqual([
      'data dataset',
      ...Array<string>(3).fill('teachers network'),
      ...Array<string>(6).fill('outOfFold logits'),
    ]);
    const folds = student.inputs
      .filter(({ role }) => role === 'outOfFold')
      .map(({ from }) => jobOf(made, from).params as { data: unknown; model: { name: string } });
    expect(folds.map(({ model }) => model.name)).toEqual([
      'resnet18',
      'resnet18',
      'vgg',
      'vgg',
      'mobilenetv3-large',
      'mobilenetv3-large',
    ]);
    expect(folds.map(({ data }) => data)).toEqual(
      [0, 1, 0, 1, 0, 1].map((fold) => expect.objectContaining({ outOfFold: { folds: 2, fold } })),
    );
  });

  it('lets only predictions of validation images reach a temperature', () => {
    for (const job of made.jobs.filter(({ kind }) => kind === 'calibrate')) {
      const logits = job.inputs.filter(({ role }) => role === 'logits');
      expect(logits.map(({ from }) => jobOf(made, from).params)).toEqual([
        expect.objectContaining({ part: 'validation' }),
      ]);
    }
  });

  it('trains refined data for as many updates as all of it, rebalanced as the refinement says', () => {
    const rebalance = { method: 'effective-number', beta: 0.9999 };
    expect(jobOf(made, trial?.jobs['rn']).params).toMatchObject({ train: { updates: 4 * 250, rebalance } });
    expect(jobOf(made, trial?.jobs['rn']).params).not.toHaveProperty('train.epochs');
    expect(jobOf(made, trial?.jobs['robust']).params).toMatchObject({
      train: { updates: 500, batch: 50, rebalance },
      model: { name: 'vgg', width: 0.5 },
    });
  });

  it('goes on from the student and scores and exports the robust checkpoint', () => {
    const robust = jobOf(made, trial?.jobs['robust']);
    expect(inputRoles(robust)).toEqual(['data dataset', 'start best']);
    for (const role of ['evaluate:fer2013', 'export']) {
      expect(jobOf(made, trial?.jobs[role]).inputs).toContainEqual(
        expect.objectContaining({ role: 'checkpoint', from: robust.key, output: 'robust' }),
      );
    }
    // INT8 is calibrated on the images that trained it.
    expect(inputRoles(jobOf(made, trial?.jobs['export']))).toEqual(['data dataset', 'checkpoint robust']);
    expect(jobOf(made, trial?.jobs['evaluate:fer2013']).params).toMatchObject({
      robustness: { attackImages: 500 },
    });
    expect(jobOf(made, trial?.jobs['evaluate:fer2013:student']).params).toMatchObject({ robustness: null });
  });

  it('costs an attack, an adversarial training and a fold what they take', () => {
    const costOf = (role: string) => jobOf(made, trial?.jobs[role]).cost?.macs ?? 0;
    expect(costOf('robust')).toBeGreaterThan(0);
    expect(costOf('evaluate:fer2013')).toBeGreaterThan(5 * costOf('evaluate:fer2013:student'));
    expect(costOf('student:rn:fold-0')).toBeLessThan(costOf('rn') / 4);
  });

  it('has a leave-one-out whose variants share what a factor does not touch', () => {
    const grid = planned(
      pipeline(
        {},
        `ablation:
  design: one-at-a-time
  factors:
    refinement: { off: { stages.clean.steps: [] } }
    rebalancing: { off: { stages.clean.rebalance: null } }
    class-strength: { off: { stages.student.method.classStrength: false } }
    reliability: { off: { stages.student.method.reliability: false } }
    dynamics: { off: { stages.student.method.gamma: 0 } }
    calibration: { off: { stages.student.method.calibrated: false } }
    adversarial: { off: { result: student } }
`,
      ),
    );
    // Teachers and their folds for each distinct training data: refined, unrefined, without rebalancing.
    expect(grid.jobs.filter(({ kind }) => kind === 'train')).toHaveLength(3 + 3 * (3 + 6));
    expect(grid.jobs.filter(({ kind }) => kind === 'distill')).toHaveLength(3 * 7);
    expect(grid.jobs.filter(({ kind }) => kind === 'adversarial')).toHaveLength(3 * 7);
    expect(grid.warnings.filter((warning) => warning.includes('same work'))).toEqual([]);
  });
});

describe('an ensemble', () => {
  const ensemble = `specVersion: 1
name: emoxnet
data: { dataset: fer2013 }
stages:
  one: { kind: train, model: { name: vgg }, train: &t { epochs: 1 } }
  two: { kind: train, model: { name: resnet18, width: 0.25 }, train: *t }
  both: { kind: ensemble, members: [one, two] }
  lite: { kind: distill, teachers: [both], model: { name: vgg, width: 0.5 }, method: { name: kd }, train: *t }
result: lite
`;

  it('fits its weights on validation and teaches as one network', () => {
    const made = planned(ensemble);
    const trial = made.trials[0];
    expect(inputRoles(jobOf(made, trial?.jobs['both']))).toEqual([
      'members best',
      'members best',
      'logits logits',
      'logits logits',
    ]);
    expect(inputRoles(jobOf(made, trial?.jobs['lite']))).toEqual(['teachers network']);
    expect(jobOf(made, trial?.jobs['evaluate:fer2013:both']).params).toMatchObject({
      model: { name: 'fused', members: [{ name: 'vgg' }, { name: 'resnet18' }] },
    });
  });

  it('reads no predictions where its weights are given', () => {
    const made = planned(ensemble.replace('[one, two] }', '[one, two], fusion: { weights: [0.4, 0.6] } }'));
    expect(countKinds(made.jobs)['predict']).toBeUndefined();
  });

  it('is no result to export, which the preview says', () => {
    const made = planned(ensemble.replace('result: lite', 'result: both'));
    expect(made.trials[0]?.jobs).not.toHaveProperty('export');
    expect(made.warnings).toContainEqual(expect.stringContaining('not exported'));
  });
});

describe('a student that learns and withstands at once', () => {
  const plain = 'method: { name: eadd, outOfFold: { folds: 2, epochs: 1 } }';
  const joint = (term: string, more = '') =>
    pipeline({
      'result: robust': 'result: student',
      [plain]: `method: { name: eadd, outOfFold: { folds: 2, epochs: 1 }, adversarial: ${term}${more} }`,
    });
  const without = planned(pipeline({ 'result: robust': 'result: student' }));
  const studentOf = (made: typeof without) => jobOf(made, made.trials[0]?.jobs['student']);
  const costOf = (text: string) => studentOf(planned(text)).cost?.macs ?? Number.NaN;

  it('is the same work as before where it has no such term, and other work for each term', () => {
    const key = (text: string) => studentOf(planned(text)).key;
    expect(key(joint('null'))).toBe(studentOf(without).key);
    const keys = [
      studentOf(without).key,
      key(joint('{ term: trades }')),
      key(joint('{ term: rslad }')),
      key(joint('{ term: rslad, weight: 2 }')),
    ];
    expect(new Set(keys).size).toBe(4);
    expect(
      key(joint('{ term: rslad, epsilon: 8/255, stepSize: 2/255, steps: 10, ramp: 0, weight: 1 }')),
    ).toBe(keys[2]);
  });

  it('is read, evaluated and exported from its best checkpoint, as any student', () => {
    const made = planned(joint('{ term: trades }'));
    const evaluated = jobOf(made, made.trials[0]?.jobs['evaluate:fer2013']);
    expect(evaluated.inputs).toContainEqual(
      expect.objectContaining({ role: 'checkpoint', from: studentOf(made).key, output: 'best' }),
    );
  });

  it('is compared with the two stages by a factor', () => {
    const factor = 'joint: { on: { result: student, stages.student.method.adversarial: { term: trades } } }';
    const made = planned(pipeline({}, `ablation: { design: one-at-a-time, factors: { ${factor} } }\n`));
    const results = made.trials
      .filter(({ seed }) => seed === 0)
      .map(({ variant, jobs }) => {
        const evaluated = jobOf(made, jobs['evaluate:fer2013']);
        const read = evaluated.inputs.find(({ role }) => role === 'checkpoint');
        return [variant, jobOf(made, read?.from).kind, read?.output];
      });
    expect(results).toEqual([
      ['baseline', 'adversarial', 'robust'],
      ['joint-on', 'distill', 'best'],
    ]);
    expect(made.trials.find(({ variant }) => variant === 'joint-on')?.jobs).not.toHaveProperty('robust');
  });

  it('costs the attack, a step on both versions of a picture, and for rslad the teachers once more', () => {
    const own = (steps: number) => costOf(joint(`{ term: trades, steps: ${steps}, validationImages: 1 }`));
    const attackStep = own(11) - own(10);
    expect(attackStep).toBeGreaterThan(0);
    // Without its attack, trades is a second step on the student: three passes, an attack's step is two.
    const second = (3 / 2) * attackStep;
    const validation = costOf(joint('{ term: trades, steps: 10, validationImages: 2 }')) - own(10);
    expect(own(10)).toBeCloseTo(
      (studentOf(without).cost?.macs ?? 0) + second + 10 * attackStep + validation,
      -4,
    );
    const teachers = costOf(joint('{ term: rslad }')) - costOf(joint('{ term: trades }'));
    const plainCost = studentOf(without).cost?.macs ?? 0;
    expect(teachers).toBeGreaterThan(0);
    expect(teachers).toBeLessThan(plainCost);
  });

  it('learns from the teachers it has: the preview names those that were not trained adversarially', () => {
    const warning = (teachers: string) =>
      `stage "student" learns robustness from teachers that were not trained adversarially: ${teachers}; ` +
      'expected stages of kind "adversarial", or adversarial.term "trades"';
    const about = (text: string) =>
      planned(text).warnings.filter((line) => line.includes('learns robustness'));
    expect(about(joint('{ term: rslad }'))).toEqual([warning('rn, vgg, mb')]);
    expect(about(joint('{ term: trades }'))).toEqual([]);
    expect(about(joint('null'))).toEqual([]);
    const robust = (teachers: string) =>
      joint('{ term: rslad }', ', classStrength: false, reliability: false')
        .replace('teachers: [rn, vgg, mb]', `teachers: ${teachers}`)
        .replace(
          '  robust:\n',
          `  hard: { kind: adversarial, seed: 0, start: rn, method: { name: pgd-at } }
  harder: { kind: adversarial, seed: 0, start: vgg, method: { name: trades } }
  strong: { kind: ensemble, members: [hard, harder] }
  mixed: { kind: ensemble, members: [hard, mb] }
  robust:
`,
        );
    expect(about(robust('[hard, harder, strong]'))).toEqual([]);
    expect(about(robust('[hard, mixed, mb]'))).toEqual([warning('mixed, mb')]);
  });
});

describe('a pipeline that cannot run', () => {
  it.each([
    [
      'teachers that have no folds',
      { 'teachers: [rn, vgg, mb]': 'teachers: [other]' },
      `  other: { kind: distill, teachers: [vgg], model: { name: vgg }, method: { name: kd }, train: *t }\nresult: robust`,
      'stages.student.teachers.0: "other" is a stage of kind "distill", which has no out-of-fold predictions',
    ],
    [
      'data that is no refinement',
      { 'data: clean, seed: 0, model: { name: vgg }': 'data: rn, seed: 0, model: { name: vgg }' },
      'result: robust',
      'stages.vgg.data: "rn" is a stage of kind "train"; expected "refine"',
    ],
    [
      'a refinement as the result',
      {},
      'result: clean',
      'result: "clean" refines data; expected a stage with a network',
    ],
  ])('%s', (_, changes, result, expected) => {
    const text = pipeline({ ...changes, 'result: robust': result });
    expect(() => parsed(text)).toThrow(expected);
  });

  it('a class with fewer images than folds', () => {
    const text = pipeline({
      'protocol: carved': 'protocol: carved, subset: { train: 7 }',
      'batch: 100': 'batch: 5',
      'batch: 50': 'batch: 5',
      'epochs: 2 }': 'epochs: 2, batch: 5 }',
      'folds: 3': 'folds: 9',
    });
    expect(problemsOf(text)).toEqual([
      expect.stringContaining(
        'stages.clean.steps.1.labelErrors.folds: 9 folds of 7 training images of class "angry"',
      ),
    ]);
  });
});
