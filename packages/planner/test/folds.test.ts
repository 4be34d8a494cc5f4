import { describe, expect, it } from '@jest/globals';
import { plan, previewOf, resolveSpec, type Known } from '../src/index.js';
import { each, foldOf, jobOf, known as others, parsed, portraits } from './support.js';

const known: Known = {
  datasets: {
    ...others.datasets,
    portraits: [portraits('7')],
    lacking: [
      portraits('8', (folds) => {
        folds[2] = foldOf(each(84), each(28), [28, 28, 0, 28, 28, 28, 28]);
      }),
    ],
  },
};

const text = (data: string, more = ''): string => `specVersion: 1
name: folds
data: ${data}
stages:
  teacher: { kind: train, seed: 0, model: { name: vgg }, train: &t { epochs: 2, batch: 32 } }
  student:
    kind: distill
    teachers: [teacher]
    model: { name: vgg, width: 0.5 }
    method: { name: kd }
    train: *t
result: student
seeds: [0, 1]
${more}`;

const problemsOf = (spec: string) => resolveSpec(parsed(spec), known).problems;

function planOf(spec: string) {
  const resolved = resolveSpec(parsed(spec), known);
  expect(resolved.problems).toEqual([]);
  return { spec: resolved.spec, plan: plan(resolved.spec, known) };
}

describe('the fold as an axis of the trials', () => {
  it('makes a trial of each variant, seed and fold; angles and folds are written out', () => {
    const { spec, plan: made } = planOf(text('{ dataset: portraits }'));
    expect(spec.data).toMatchObject({ protocol: 'subject-folds', angles: 'frontal', folds: [0, 1, 2, 3, 4] });
    expect(made.trials.map(({ seed, fold }) => [seed, fold])).toEqual(
      [0, 1].flatMap((seed) => [0, 1, 2, 3, 4].map((fold) => [seed, fold])),
    );
    for (const trial of made.trials) {
      for (const role of ['teacher', 'student', 'evaluate:portraits', 'export']) {
        const { data } = jobOf(made, trial.jobs[role]).params as { data: Record<string, unknown> };
        expect(data).toMatchObject({ protocol: 'subject-folds', angles: 'frontal', fold: trial.fold });
        expect(data).not.toHaveProperty('folds');
      }
    }
    // A teacher with a seed of its own is trained once a fold, and shared by the seeds.
    expect(new Set(made.trials.map(({ jobs }) => jobs['teacher'])).size).toBe(5);
    expect(new Set(made.trials.map(({ jobs }) => jobs['student'])).size).toBe(10);
    // 588 training images in batches of 32 for 2 epochs, 196 validated after each: (18 * 32 + 196) * 2.
    expect(jobOf(made, made.trials[0]?.jobs['teacher']).cost?.images).toBe(2 * (18 * 32 + 196));
    const preview = previewOf(made, spec, { finishedKeys: [] });
    expect(preview.trials).toBe(10);
    expect(preview.trainings.withoutSharing).toBe(20);
  });

  it('takes the folds asked for, and shares their work with all five', () => {
    const some = planOf(text('{ dataset: portraits, folds: [3, 1] }')).plan;
    expect(some.trials.map(({ fold }) => fold)).toEqual([3, 1, 3, 1]);
    const all = planOf(text('{ dataset: portraits }')).plan;
    const keys = new Set(all.jobs.map(({ key }) => key));
    expect(some.jobs.every(({ key }) => keys.has(key))).toBe(true);
  });

  it('leaves data without folds as they are', () => {
    const { spec, plan: made } = planOf(text('{ dataset: fer2013 }'));
    expect(made.trials.map(({ fold }) => fold)).toEqual([null, null]);
    expect(spec.data).not.toHaveProperty('angles');
    for (const { params } of made.jobs) expect(JSON.stringify(params)).not.toContain('fold');
  });

  it('is absent where a network from elsewhere is scored: every picture is test', () => {
    const on = 'evaluate: { on: [{ dataset: portraits, angles: all }] }';
    const { plan: made } = planOf(text('{ dataset: fer2013 }', on));
    const [trial] = made.trials;
    const job = jobOf(made, trial?.jobs['evaluate:portraits']);
    expect(job.params).toMatchObject({
      data: { dataset: 'portraits', protocol: 'subject-folds', angles: 'all' },
    });
    expect((job.params as { data: object }).data).not.toHaveProperty('fold');
    expect(job.cost?.images).toBe(7 * 700);
  });

  it('goes along where networks of folds are scored on FER2013 as well', () => {
    const { plan: made } = planOf(text('{ dataset: portraits }', 'evaluate: { on: [{ dataset: fer2013 }] }'));
    const jobs = made.trials.map((trial) => jobOf(made, trial.jobs['evaluate:fer2013']));
    expect(new Set(jobs.map(({ key }) => key)).size).toBe(10);
    expect(jobs[0]?.params).toMatchObject({
      data: { dataset: 'fer2013', protocol: 'official', subset: null },
    });
    expect((jobs[0]?.params as { data: object }).data).not.toHaveProperty('angles');
  });

  it('comes and goes with the data set of a variant', () => {
    const factors = (patch: string) =>
      `ablation: { design: one-at-a-time, factors: { data: { other: ${patch} } } }`;
    const away = planOf(
      text('{ dataset: portraits, angles: all }', factors('{ data.dataset: fer2013 }')),
    ).plan;
    expect(away.trials.filter(({ variant }) => variant === 'data-other').map(({ fold }) => fold)).toEqual([
      null,
      null,
    ]);
    const there = planOf(text('{ dataset: fer2013 }', factors('{ data.dataset: portraits }'))).plan;
    expect(there.trials.filter(({ variant }) => variant === 'data-other')).toHaveLength(10);
    const angle = planOf(text('{ dataset: portraits }', factors('{ data.angles: all }'))).plan;
    const [, last] = [angle.trials[0], angle.trials.at(-1)];
    expect(jobOf(angle, last?.jobs['student']).params).toMatchObject({ data: { angles: 'all', fold: 4 } });
  });
});

describe('what cannot run', () => {
  it('is a fold without a class, with the fold and the class', () => {
    const problems = problemsOf(text('{ dataset: lacking }'));
    expect(problems.map(({ path }) => path)).toEqual(['data.folds']);
    expect(problems[0]?.message).toContain(
      'fold 2: the test split of "lacking" (angles frontal) has no picture of fear',
    );
    expect(problemsOf(text('{ dataset: lacking, folds: [0, 1] }'))).toEqual([]);
  });

  it.each([
    ['{ dataset: fer2013, angles: all }', 'data.angles', '"fer2013" has no angles under protocol "official"'],
    ['{ dataset: fer2013, folds: [0] }', 'data.folds', '"fer2013" has no folds'],
    [
      '{ dataset: fer2013, protocol: subject-folds }',
      'data.protocol',
      'needs pictures that say who is in them',
    ],
    ['{ dataset: portraits, protocol: carved }', 'data.protocol', 'expected "subject-folds"'],
    ['{ dataset: portraits, subset: { train: 600 } }', 'data.subset.train', 'expected at most 588'],
  ])('is %s', (data, path, message) => {
    const problems = problemsOf(text(data));
    expect(problems.map((problem) => problem.path)).toEqual([path]);
    expect(problems[0]?.message).toContain(message);
  });

  it.each([
    '{ dataset: portraits, angles: side }',
    '{ dataset: portraits, folds: [5] }',
    '{ dataset: portraits, folds: [1, 1] }',
  ])('is already the spec %s', (data) => {
    expect(() => parsed(text(data))).toThrow(/data\.(angles|folds)/);
  });

  it('is a training batch larger than a fold has images', () => {
    const problems = problemsOf(text('{ dataset: portraits }').replace('batch: 32', 'batch: 600'));
    expect(problems.map(({ path }) => path)).toEqual([
      'stages.teacher.train.batch',
      'stages.student.train.batch',
    ]);
  });
});
