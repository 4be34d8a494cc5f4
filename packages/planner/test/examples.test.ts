import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { stageTraining } from '@ferment/contracts';
import { plan, previewOf, resolveSpec, type Known } from '../src/index.js';
import { parsed, portraits, version } from './support.js';

const installed: Known = {
  datasets: {
    // scripts/synthetic-faces.mjs: rows of Training, PublicTest and PrivateTest.
    'synthetic-faces': [version('a', { official: { train: 2_800, validation: 400, test: 700 } })],
    // FER2013 without PrivateTest: an eighth of Training is carved off as validation.
    fer2013: [version('b', { carved: { train: 24_800, validation: 3_580, test: 3_589 } })],
    // KDEF's frontal pictures and all of them.
    kdef: [portraits('c')],
  },
};

function example(name: string) {
  const text = readFileSync(new URL(`../../../examples/${name}.yaml`, import.meta.url), 'utf8');
  const { spec, problems } = resolveSpec(parsed(text), installed);
  expect(problems).toEqual([]);
  const made = plan(spec, installed);
  return { spec, made, preview: previewOf(made, spec, { finishedKeys: [] }) };
}

describe.each(['quickstart', 'fer2013'])('examples/%s.yaml', (name) => {
  const { spec, made, preview } = example(name);

  it('is planned without a warning', () => {
    expect(made.warnings).toEqual([]);
    expect(spec.seeds).toEqual([0, 1, 2]);
  });

  it('trains two shared teachers once', () => {
    expect(made.fixedStages).toHaveLength(2);
    expect(preview.trainings.planned).toBe(2 + made.trials.length);
    expect(preview.trainings.withoutSharing).toBeGreaterThan(preview.trainings.planned);
  });

  it('has a control without a teacher at equal updates', () => {
    const control = made.variants.find(({ spec: { stages, result } }) => stages[result]?.kind === 'train');
    const baseline = made.variants[0]?.spec;
    const trained = (variant?: typeof spec) => variant && stageTraining(variant, spec.result);
    expect(trained(control?.spec)).toMatchObject({ train: {}, model: {} });
    expect(trained(control?.spec)).toEqual(trained(baseline));
  });
});

describe('the quickstart', () => {
  it('trains nothing for less than 8 epochs over 2,500 images', () => {
    const { made } = example('quickstart');
    for (const job of made.jobs) {
      if (job.kind !== 'train' && job.kind !== 'distill') continue;
      const { train } = job.params as { train: { epochs: number } };
      expect(train.epochs).toBeGreaterThanOrEqual(8);
    }
  });
});

describe('the run on FER2013', () => {
  it('is four variants on at least 8,000 training images', () => {
    const { spec, made } = example('fer2013');
    expect(made.variants).toHaveLength(4);
    expect(spec.data.subset?.train ?? Infinity).toBeGreaterThanOrEqual(8_000);
  });
});

describe('examples/eadd.yaml', () => {
  const { spec, made, preview } = example('eadd');

  it('leaves six parts of the pipeline out, one at a time, at equal updates', () => {
    expect(made.variants.map(({ name }) => name)).toEqual([
      'baseline',
      'refinement',
      'rebalancing',
      'class-strength',
      'dynamics',
      'transformer',
      'adversarial',
    ]);
    expect(spec.data.subset?.train).toBeGreaterThanOrEqual(4_000);
    // The student before its adversarial training has had fewer updates, which the table says.
    expect(made.warnings).toEqual([expect.stringContaining('variant "adversarial" trains its result for')]);
  });

  it('trains teachers and their folds once for each distinct training data', () => {
    expect(preview.trainings).toMatchObject({ planned: 3 + 3 * (3 + 6) + 18 + 18, outOfFold: 3 + 18 });
  });
});

describe.each([
  'eadd-full',
  'robust-student',
  'across',
  'alignment',
  'resemotenet',
  'small-student',
  'small-student-budgets',
])('examples/%s.yaml', (name) => {
  it('is planned', () => {
    const { made } = example(name);
    expect(made.warnings.filter((warning) => warning.includes('same work'))).toEqual([]);
    expect(made.trials.length).toBeGreaterThanOrEqual(made.variants.length * example(name).spec.seeds.length);
  });
});

describe('examples/search.yaml', () => {
  it('is a search whose better configurations alone are trained on', () => {
    const { spec, made, preview } = example('search');
    expect(made.warnings).toEqual([]);
    expect(preview.trials).toBe(spec.search?.trials);
    expect(new Set(made.trials.flatMap(({ jobs }) => Object.keys(jobs)))).toEqual(
      new Set([...['student:epoch-2', 'student:epoch-6', 'student', 'evaluate:synthetic-faces', 'export']]),
    );
  });
});

describe('examples/across.yaml', () => {
  it('tests each network within and across: every fold where it was trained, all people where it was not', () => {
    const { made } = example('across');
    expect(made.trials.map(({ variant, seed, fold }) => [variant, seed, fold])).toEqual([
      ...[0, 1, 2].map((seed) => ['baseline', seed, null]),
      ...[0, 1, 2].flatMap((seed) => [0, 1, 2, 3, 4].map((fold) => ['on-kdef', seed, fold])),
    ]);
    for (const { jobs } of made.trials)
      expect(jobs).toMatchObject({
        'evaluate:fer2013': expect.any(String),
        'evaluate:kdef': expect.any(String),
      });
  });
});

describe('docs/spec.md', () => {
  const text = readFileSync(new URL('../../../docs/spec.md', import.meta.url), 'utf8');
  const specs = [...text.matchAll(/```yaml\n(specVersion[^]*?)```/g)].map(([, block = '']) => block);

  it('shows specs', () => {
    expect(specs).toHaveLength(3);
  });

  it.each(specs.map((block) => [/name: (\S+)/.exec(block)?.[1], block]))('%s can be run', (_, block = '') => {
    const { spec, problems } = resolveSpec(parsed(block), installed);
    expect(problems).toEqual([]);
    expect(plan(spec, installed).warnings).toEqual([]);
  });
});
