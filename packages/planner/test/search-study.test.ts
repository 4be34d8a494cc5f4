import { describe, expect, it } from '@jest/globals';
import { parseSpecText, type ExperimentSpec } from '@ferment/contracts';
import {
  nextStep,
  plan,
  planPoint,
  planStudy,
  previewOf,
  type StudyPoint,
  type StudyStep,
} from '../src/index.js';
import { ashaPromotion, decisionEpochs, leader, medianStop, type Racer } from '../src/search/stopping.js';
import { jobOf, known, parsed, resolved } from './support.js';

const racer = (number: number, losses: number[], resting = true): Racer => ({
  number,
  reports: losses.map((best, rung) => ({ epoch: 3 ** rung, step: 3 ** rung, best, average: best })),
  resting,
});

describe('decisions', () => {
  it('stand at minEpochs x eta^r, or every so many epochs, and never at the end', () => {
    const asha = { rule: 'asha', eta: 3, minEpochs: 1 } as const;
    expect(decisionEpochs(asha, 27)).toEqual([1, 3, 9]);
    expect(decisionEpochs(asha, 28)).toEqual([1, 3, 9, 27]);
    expect(decisionEpochs({ ...asha, maxEpochs: 3 }, 28)).toEqual([1, 3]);
    expect(decisionEpochs({ rule: 'median', afterEpochs: 2, every: 3, minTrials: 1 }, 8)).toEqual([2, 5]);
    expect(decisionEpochs(asha, 1)).toEqual([]);
  });
});

describe('ASHA, worked by hand (eta 3)', () => {
  // Losses at the first rung as they come in, and what is promoted from it, if anything.
  const table: { losses: number[]; promoted: number[]; next: number | null }[] = [
    { losses: [0.5], promoted: [], next: null }, // floor(1 / 3) = 0
    { losses: [0.5, 0.4], promoted: [], next: null }, // floor(2 / 3) = 0
    { losses: [0.5, 0.4, 0.6], promoted: [], next: 2 }, // the best of three
    { losses: [0.5, 0.4, 0.6, 0.3, 0.9], promoted: [2], next: 4 }, // floor(5 / 3) = 1: the best is 4, 2 was promoted
    { losses: [0.5, 0.4, 0.6, 0.3, 0.9], promoted: [2, 4], next: null },
    { losses: [0.5, 0.4, 0.6, 0.3, 0.9, 0.2], promoted: [2, 4], next: 6 }, // the best two are 6 and 4
    { losses: [0.4, 0.4, 0.4], promoted: [], next: 1 }, // equal: the one that was begun first
  ];
  it.each(table)('$losses, promoted $promoted: next $next', ({ losses, promoted, next }) => {
    const racers = losses.map((loss, at) => racer(at + 1, [loss], !promoted.includes(at + 1)));
    expect(ashaPromotion(racers, 3)).toBe(next);
  });

  it('looks at the highest rung first', () => {
    const racers = [
      ...[0.3, 0.31, 0.32].map((loss, at) => racer(at + 1, [0.5 + at / 100, loss])),
      ...[0.6, 0.7, 0.4, 0.8, 0.9, 0.95].map((loss, at) => racer(at + 4, [loss])),
    ];
    // Rung 1 has three: its best, 1, is promoted. Then rung 0, whose best three of nine are 6 (0.4), 1 and 2.
    expect(ashaPromotion(racers, 3)).toBe(1);
    const after = racers.map((each) => (each.number === 1 ? { ...each, resting: false } : each));
    expect(ashaPromotion(after, 3)).toBe(6);
    expect(leader(after)).toBe(2);
  });
});

describe('the median rule, worked by hand', () => {
  const at = (number: number, best: number, average: number): Racer => ({
    number,
    reports: [{ epoch: 4, step: 40, best, average }],
    resting: true,
  });
  const others = [at(1, 0.1, 0.5), at(2, 0.1, 0.3), at(3, 0.1, 0.4)];
  it('stops what is strictly worse than the median of the running averages of the others', () => {
    expect(medianStop(at(4, 0.41, 9), others, 3)).toBe(0.4);
    expect(medianStop(at(4, 0.4, 9), others, 3)).toBeNull();
    // Four others: between 0.4 and 0.5.
    expect(medianStop(at(4, 0.46, 9), [...others, at(5, 0.1, 0.6)], 3)).toBeCloseTo(0.45, 12);
    // Its own average does not count, and too few others decide nothing.
    expect(medianStop(at(1, 9, 9), others, 2)).toBeCloseTo(0.35, 12);
    expect(medianStop(at(4, 9, 9), others, 4)).toBeNull();
  });
});

const student = `specVersion: 1
name: searched
data: { dataset: fer2013 }
stages:
  teacher: { kind: train, seed: 0, model: { name: vgg }, train: { epochs: 2 } }
  student:
    kind: distill
    teachers: [teacher]
    model: { name: vgg, width: 0.5 }
    method: { name: kd }
    train: { epochs: 9 }
result: student
`;
const search = `search:
  sampler: random
  trials: 5
  space:
    stages.student.train.optimizer.lr: { kind: loguniform, low: 1e-4, high: 1 }
    stages.student.method.temperature: { kind: int, low: 1, high: 9, step: 2 }
`;

describe('a plan', () => {
  it('begins with no trial of a search and all of an ablation, and previews what it takes at most', () => {
    const spec = resolved(`${student}${search}`);
    expect(planStudy(spec, known)).toMatchObject({ trials: [], jobs: [], variants: [], warnings: [] });
    const preview = previewOf(plan(spec, known), spec, { finishedKeys: [] });
    expect(preview).toMatchObject({ trials: 5, trainings: { planned: 6, withoutSharing: 10 }, warnings: [] });
    const factors =
      'ablation: { design: one-at-a-time, factors: { t: { two: { stages.student.method.temperature: 2 } } } }';
    const ablation = resolved(`${student}${factors}\nearlyStop: { rule: median }`);
    expect(planStudy(ablation, known).trials.map(({ variant, jobs }) => [variant, jobs])).toEqual([
      ['baseline', {}],
      ['t-two', {}],
    ]);
  });

  it('is the one of the same spec without a search: the same keys', () => {
    const spec = resolved(`${student}${search}`);
    const values = { 'stages.student.train.optimizer.lr': 0.2, 'stages.student.method.temperature': 7 };
    const point = planPoint(spec, known, { number: 3, values }, 0);
    if ('refused' in point) throw new Error(point.refused);
    expect(point.variant).toMatchObject({ name: 'search-3', factors: { lr: '0.2', temperature: '7' } });
    const [alone] = plan(
      resolved(
        student
          .replace('{ name: kd }', '{ name: kd, temperature: 7 }')
          .replace('epochs: 9', 'epochs: 9, optimizer: { name: sgd, lr: 0.2 }'),
      ),
      known,
    ).trials;
    expect(point.trials[0]?.jobs).toEqual(alone?.jobs);
  });

  it('cuts the training of the result into jobs that go on from one another', () => {
    const spec = resolved(`${student}${search}earlyStop: { rule: asha, eta: 3 }`);
    const values = { 'stages.student.train.optimizer.lr': 0.2, 'stages.student.method.temperature': 7 };
    const at = (reached: number) => {
      const point = planPoint(spec, known, { number: 1, values }, reached);
      if ('refused' in point) throw new Error(point.refused);
      return point;
    };
    const [first, second, end] = [at(0), at(1), at(2)];
    expect(first.decisions).toEqual([1, 3]);
    const rolesOf = ({ trials }: typeof first) => Object.keys(trials[0]?.jobs ?? {});
    expect(rolesOf(first)).toEqual(['teacher', 'evaluate:fer2013:teacher', 'student:epoch-1']);
    expect(rolesOf(second)).toEqual([...rolesOf(first), 'student:epoch-3']);
    expect(rolesOf(end)).toEqual([...rolesOf(second), 'student', 'evaluate:fer2013', 'export']);
    // What was planned before stays as it was.
    expect(second.trials[0]?.jobs).toMatchObject(first.trials[0]?.jobs ?? {});
    expect(end.trials[0]?.jobs).toMatchObject(second.trials[0]?.jobs ?? {});
    const roles = end.trials[0]?.jobs ?? {};
    const all = { jobs: end.jobs } as ReturnType<typeof plan>;
    const [whole, part] = [jobOf(all, roles['student']), jobOf(all, roles['student:epoch-3'])];
    expect(whole.inputs.map(({ role, from, output }) => [role, from, output])).toEqual([
      ['teachers', roles['teacher'], 'best'],
      ['continues', roles['student:epoch-3'], 'last'],
    ]);
    expect(part.params).toEqual({ ...(whole.params as object), untilEpoch: 3 });
    // Its parts together are as much work as the whole.
    const costs = ['student:epoch-1', 'student:epoch-3', 'student'].map(
      (role) => jobOf(all, roles[role]).cost?.macs ?? 0,
    );
    const plain = plan(resolved(student), known);
    const wanted = jobOf(plain, plain.trials[0]?.jobs['student']).cost?.macs ?? 0;
    expect(costs.reduce((sum, cost) => sum + cost, 0) / wanted).toBeCloseTo(1, 6);
  });

  it('refuses a configuration that cannot run, and says why', () => {
    const spec = resolved(`${student}${search}`);
    const refused = planPoint(
      spec,
      known,
      { number: 1, values: { 'stages.student.train.batch': 100_000 } },
      0,
    );
    expect(refused).toMatchObject({ refused: expect.stringContaining('expected at most') as unknown });
  });
});

/** Runs a study of made-up trainings: each configuration's loss falls with its epochs. Its steps, in words. */
function raced(
  spec: ExperimentSpec,
  quality: (number: number) => number,
  configurations: number | null = null,
): string[] {
  const points: StudyPoint[] = [];
  const told: string[] = [];
  const epochs = [1, 3];
  for (let guard = 0; guard < 1000; guard += 1) {
    const step: StudyStep | null = nextStep(spec, points, { configurations, parallel: 1 });
    if (step?.do === 'end') return [...told, 'end'];
    if (step) {
      const point = points.find(({ number }) => 'number' in step && number === step.number);
      if (step.do === 'begin')
        points.push({ number: step.number, values: step.values, state: 'running', reports: [], value: null });
      else if (point) point.state = step.do === 'stop' ? 'stopped' : 'running';
      told.push(`${step.do} ${step.number}`);
      continue;
    }
    const running = points.find(({ state }) => state === 'running');
    if (!running) throw new Error('it waits for nothing');
    const value = quality(running.number);
    const epoch = epochs[running.reports.length];
    if (epoch === undefined) Object.assign(running, { state: 'succeeded', value });
    else
      Object.assign(running, {
        state: 'waiting',
        reports: [...running.reports, { epoch, step: epoch, best: value, average: value }],
      });
  }
  throw new Error('it does not end');
}

describe('a study', () => {
  const asha = (trials: number) =>
    parsed(`${student}${search.replace('trials: 5', `trials: ${trials}`)}earlyStop: { rule: asha, eta: 3 }`);

  it('by ASHA promotes as soon as it can, and stops the others when nothing is left to begin', () => {
    // macro-F1, higher is better: 3 is the best of the first three, then 5 is among the best two of six.
    const f1 = [0.1, 0.2, 0.5, 0.3, 0.4, 0.15];
    expect(raced(asha(6), (number) => f1[number - 1] ?? 0)).toEqual([
      ...['begin 1', 'begin 2', 'begin 3', 'promote 3', 'begin 4', 'begin 5', 'begin 6', 'promote 5'],
      // Two at the second rung are too few to promote one: the best is trained to its end all the same.
      ...['promote 3', 'stop 1', 'stop 2', 'stop 4', 'stop 5', 'stop 6', 'end'],
    ]);
  });

  it('of so few that none would be promoted trains the best to its end', () => {
    expect(raced(asha(2), (number) => number)).toEqual([
      ...['begin 1', 'begin 2', 'promote 2', 'promote 2', 'stop 1', 'end'],
    ]);
  });

  it('of an ablation trains the baseline to its end, however bad, and the best of the others', () => {
    expect(raced(asha(2), (number) => number, 3)).toEqual([
      ...[
        'begin 1',
        'promote 1',
        'promote 1',
        'begin 2',
        'begin 3',
        'promote 3',
        'promote 3',
        'stop 2',
        'end',
      ],
    ]);
  });

  it('by the median rule lets go on or stops at each decision', () => {
    const spec = parsed(`${student}${search}earlyStop: { rule: median, minTrials: 2 }`);
    const steps = raced(spec, (number) => [0.5, 0.4, 0.1, 0.6, 0.2][number - 1] ?? 0);
    // 3 is below both others; 5 is below the median of 0.5, 0.4, 0.1 and 0.6.
    expect(steps).toEqual([
      ...['begin 1', 'promote 1', 'promote 1', 'begin 2', 'promote 2', 'promote 2', 'begin 3', 'stop 3'],
      ...['begin 4', 'promote 4', 'promote 4', 'begin 5', 'stop 5', 'end'],
    ]);
  });
});

describe('a spec with a search', () => {
  const problems = (more: string, text = student) => {
    const result = parseSpecText(`${text}${more}`);
    return result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`);
  };
  const of = (space: string, rest = 'trials: 3') => problems(`search: { ${rest}, space: { ${space} } }`);
  const lr = 'stages.student.train.optimizer.lr';

  it.each([
    [
      `${lr}: { kind: loguniform, low: 1, high: 0.1 }`,
      `search.space.${lr}.high: expected at least "low", which is 1, got 0.1`,
    ],
    [`${lr}: { kind: choice, values: [1, 1] }`, `search.space.${lr}.values.1: stands here twice`],
    [
      'seeds: { kind: choice, values: [[1]] }',
      'search.space.seeds: a search cannot change this; expected a path into "stages", or "result"',
    ],
    [
      'stages.student.train.optimizer.rate: { kind: choice, values: [1] }',
      'search.space.stages.student.train.optimizer.rate: unknown key',
    ],
    [
      'stages.student.train.labelSmoothing: { kind: uniform, low: 0, high: 2 }',
      'search.space.stages.student.train.labelSmoothing: expected at most 0.9, got 2',
    ],
    [
      `${lr}: { kind: choice, values: [0.1] }, stages.student.train.optimizer: { kind: choice, values: [{ name: adamw }] }`,
      `search.space.${lr}: "stages.student.train.optimizer" is searched as a whole`,
    ],
    [
      'stages.student.method.name: { kind: choice, values: [kd, dkd] }, stages.student.method.ceWeight: { kind: uniform, low: 0, high: 1 }',
      'search.space.stages.student.method.ceWeight: unknown key for name "dkd"',
    ],
  ])('refuses %s', (space, message) => {
    expect(of(space).join('\n')).toContain(message);
  });

  it('refuses what does not go together', () => {
    const good = `${lr}: { kind: loguniform, low: 0.1, high: 1 }`;
    expect(of(good)).toEqual([]);
    expect(of(good, 'sampler: grid')).toEqual([
      `search.space.${lr}: a grid needs counted values; expected "kind: choice", or "step" of a uniform one`,
    ]);
    expect(
      of(`${lr}: { kind: uniform, low: 0.1, high: 30000, step: 0.1 }`, 'sampler: grid').join(),
    ).toContain('expected a grid of at most 20000 configurations, got 300000');
    expect(of(good, 'sampler: random')).toEqual([
      'search.trials: missing; expected how many configurations "random" draws',
    ]);
    expect(of(good, 'trials: 3, metric: validation.nll, direction: maximize').join()).toContain(
      'expected "minimize"',
    );
    const ablation = 'ablation: { design: list, variants: [{ name: a, patch: {} }] }\n';
    expect(problems(`${ablation}search: { trials: 3, space: { ${good} } }`).join()).toContain(
      'either "search" or "ablation"',
    );
    expect(problems('earlyStop: { rule: asha }').join()).toContain('one configuration only');
    expect(problems(`${search}earlyStop: { rule: asha, minEpochs: 9 }`).join()).toContain(
      'is trained for 9 epochs',
    );
    expect(problems(`${search}earlyStop: { rule: asha, minEpochs: 3, maxEpochs: 2 }`).join()).toContain(
      '"minEpochs", which is 3',
    );
  });

  it('leaves the hash of every other spec as it was', () => {
    expect(Object.keys(parsed(student))).not.toContain('search');
    expect(Object.keys(parsed(student))).not.toContain('earlyStop');
  });
});
