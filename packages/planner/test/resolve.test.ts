import { describe, expect, it } from '@jest/globals';
import { formatProblem, parseSpecText } from '@ferment/contracts';
import { plan, resolveSpec, type Known } from '../src/index.js';
import { each, foldOf, known, parsed, planned, portraits, resolved, specText, version } from './support.js';

/** What a person reads who submits this text. */
function messages(text: string, from: Known = known): string[] {
  const parsed = parseSpecText(text);
  if (!parsed.ok)
    throw new Error(parsed.problems.map((problem) => formatProblem(problem, 'spec')).join('\n'));
  const { problems } = resolveSpec(parsed.spec, from);
  return parsed.located(problems).map((problem) => formatProblem(problem, 'spec.yaml'));
}

describe('pinning', () => {
  it('takes the newest version, and official where it has PrivateTest', () => {
    expect(resolved(specText()).data).toMatchObject({ version: 'b'.repeat(64), protocol: 'official' });
  });

  it('takes carved where there is no PrivateTest', () => {
    expect(resolved(specText('', { 'dataset: fer2013': 'dataset: fer2013-train' })).data).toMatchObject({
      version: 'c'.repeat(64),
      protocol: 'carved',
    });
  });

  it('keeps a version and a protocol that are written', () => {
    const text = specText('', {
      'dataset: fer2013': `dataset: fer2013, version: ${'a'.repeat(64)}, protocol: carved`,
    });
    expect(resolved(text).data).toMatchObject({ version: 'a'.repeat(64), protocol: 'carved' });
  });

  it('pins the data sets that patches and evaluations name', () => {
    const spec = resolved(
      specText(`evaluate: { on: [{ dataset: kdef }] }
ablation:
  design: one-at-a-time
  factors: { data: { posed: { data.dataset: kdef, data.subset: { train: 500 } } } }
`),
    );
    expect(spec.evaluate.on).toEqual([{ dataset: 'kdef', version: 'd'.repeat(64), protocol: 'carved' }]);
    expect(spec.ablation).toMatchObject({
      factors: {
        data: {
          posed: { 'data.dataset': 'kdef', 'data.version': 'd'.repeat(64), 'data.protocol': 'carved' },
        },
      },
    });
  });

  it('means the same after a newer version was imported', () => {
    const text = specText(`ablation:
  design: one-at-a-time
  factors: { data: { posed: { data.dataset: kdef } } }
`);
    const newer = version('f', { carved: { train: 900, validation: 100, test: 200 } });
    const later: Known = {
      datasets: { ...known.datasets, kdef: [newer, ...(known.datasets['kdef'] ?? [])] },
    };
    const before = planned(text);
    expect(resolveSpec(resolved(text), later).spec).toEqual(resolved(text));
    expect(before.variants[1]?.spec.data.version).toBe('d'.repeat(64));
  });
});

describe('a refined version', () => {
  const made = {
    dataset: 'fer2013',
    steps: ['quality'],
    overrides: 0,
    removed: 9,
    relabelled: 0,
    aligned: 0,
  };
  const ledger = 'e'.repeat(64);
  const carved = version('f', { carved: { train: 20_000, validation: 3_600, test: 3_589 } });
  carved.summary.parent = { ...made, version: 'b'.repeat(64), protocol: 'carved', ledger };
  const oneFold = { ...portraits('9'), version: '9'.repeat(64) };
  const { subjectFolds: _folds, ...rest } = oneFold.summary;
  const ofFold = { ...rest, protocols: { 'subject-folds': foldOf(each(80), each(28), each(28)) } };
  const foldParent = { version: '8'.repeat(64), protocol: 'subject-folds', angles: 'all', fold: 3 } as const;
  const later: Known = {
    datasets: {
      ...known.datasets,
      fer2013: [carved, ...(known.datasets['fer2013'] ?? [])],
      posed: [
        { ...oneFold, summary: { ...ofFold, parent: { ...made, ...foldParent, ledger } } },
        portraits('8'),
      ],
    },
  };
  const named = (data: string) => specText('', { 'dataset: fer2013': data });

  it('is not what a spec takes that names none, in data or in a patch', () => {
    const text = specText(`ablation:
  design: one-at-a-time
  factors: { data: { posed: { data.dataset: posed } } }
`);
    const { spec, problems } = resolveSpec(parsed(text), later);
    expect(problems).toEqual([]);
    expect(spec.data).toMatchObject({ version: 'b'.repeat(64), protocol: 'official' });
    const { spec: alone } = resolveSpec(parsed(named('dataset: posed')), later);
    expect(alone.data).toMatchObject({ version: '8'.repeat(64), folds: [0, 1, 2, 3, 4] });
  });

  it('is taken by its hash, under the protocol that divided it', () => {
    const data = `dataset: fer2013, version: ${'f'.repeat(64)}`;
    const { spec, problems } = resolveSpec(parsed(named(data)), later);
    expect(problems).toEqual([]);
    expect(spec.data).toMatchObject({ version: 'f'.repeat(64), protocol: 'carved' });
    expect(plan(spec, later).jobs[0]?.params).toMatchObject({ data: { version: 'f'.repeat(64) } });
    expect(messages(named(`${data}, protocol: official`), later)).toEqual([
      expect.stringContaining('protocol "official" is not the one that divided this refined version'),
    ]);
  });

  it('of a fold has that fold alone', () => {
    const data = `dataset: posed, version: "${'9'.repeat(64)}"`;
    const { spec, problems } = resolveSpec(parsed(named(data)), later);
    expect(problems).toEqual([]);
    expect(spec.data).toMatchObject({ protocol: 'subject-folds', angles: 'all', folds: [3] });
    expect(new Set(plan(spec, later).trials.map(({ fold }) => fold))).toEqual(new Set([3]));
    expect(messages(named(`${data}, folds: [0, 3]`), later)).toEqual([
      expect.stringContaining('has fold 3 alone; expected [3], or nothing'),
    ]);
    expect(messages(named(`${data}, angles: frontal`), later)).toEqual([
      expect.stringContaining('has angles "all" alone'),
    ]);
    const on = `evaluate: { on: [{ dataset: posed, version: "${'9'.repeat(64)}" }] }`;
    expect(messages(specText(on), later)).toEqual([
      expect.stringContaining(`expected the version it was made from, ${'8'.repeat(64)}`),
    ]);
  });
});

describe('what cannot run is refused with its place', () => {
  it.each([
    [
      'an unknown data set',
      specText('', { 'dataset: fer2013': 'dataset: fer2031' }),
      [
        'spec.yaml:3 data.dataset: no data set "fer2031"; expected one of "fer2013", "fer2013-train", "kdef", "unlabelled". Did you mean "fer2013"?',
      ],
    ],
    [
      'a data set named after what every object inherits',
      specText('', { 'dataset: fer2013': 'dataset: constructor' }),
      [
        'spec.yaml:3 data.dataset: no data set "constructor"; expected one of "fer2013", "fer2013-train", "kdef", "unlabelled".',
      ],
    ],
    [
      'an unknown version',
      specText('', { 'dataset: fer2013': `dataset: kdef, version: ${'f'.repeat(64)}` }),
      [`spec.yaml:3 data.version: "kdef" has no such version; expected "${'d'.repeat(64)}".`],
    ],
    [
      'official without PrivateTest',
      specText('', { 'dataset: fer2013': 'dataset: fer2013-train, protocol: official' }),
      [
        'spec.yaml:3 data.protocol: protocol "official" needs images marked PrivateTest, which this version lacks; expected "carved".',
      ],
    ],
    [
      'a data set without labels',
      specText('', { 'dataset: fer2013': 'dataset: unlabelled' }),
      [
        'spec.yaml:3 data.dataset: "unlabelled" has no labelled training and test images to train and score with.',
      ],
    ],
    [
      'a subset larger than the split',
      specText('', { 'dataset: fer2013': 'dataset: kdef, subset: { train: 801, test: 200 }' }),
      ['spec.yaml:3 data.subset.train: expected at most 800, the images of the train split, got 801.'],
    ],
    [
      'a batch larger than the subset',
      specText('', { 'dataset: fer2013': 'dataset: fer2013, subset: { train: 99 }' }),
      ['one', 'two', 'three', 'student'].map(
        (stage) =>
          `spec.yaml:5 stages.${stage}.train.batch: expected at most 99, the images of the train split, got 100.`,
      ),
    ],
    [
      'an unknown data set to score on',
      specText('evaluate: { on: [{ dataset: kdeff }] }\n'),
      [
        'spec.yaml:16 evaluate.on.0.dataset: no data set "kdeff"; expected one of "fer2013", "fer2013-train", "kdef", "unlabelled". Did you mean "kdef"?',
      ],
    ],
    [
      'a variant whose batch is larger than the split',
      specText(`ablation:
  design: one-at-a-time
  factors:
    data: { posed: { data.dataset: kdef } }
    batch: { huge: { stages.student.train.batch: 8000, data.dataset: kdef } }
`),
      [
        'spec.yaml:20 ablation.factors.batch.huge.stages.student.train.batch: expected at most 800, the images of the train split, got 8000 (variant "batch-huge").',
      ],
    ],
    [
      'a variant on an unknown data set',
      specText(`ablation:
  design: one-at-a-time
  factors: { data: { posed: { data.dataset: kdeff } } }
`),
      [
        'spec.yaml:18 ablation.factors.data.posed.data.dataset: no data set "kdeff"; expected one of "fer2013", "fer2013-train", "kdef", "unlabelled" (variant "data-posed"). Did you mean "kdef"?',
      ],
    ],
    [
      'a cell of a factorial that only the combination breaks',
      specText(`ablation:
  design: full-factorial
  factors:
    subset: { small: { data.subset.train: 150 } }
    batch: { large: { stages.student.train.batch: 200 } }
`),
      [
        'spec.yaml:20 ablation.factors.batch.large.stages.student.train.batch: expected at most 150, the images of the train split, got 200 (variant "subset-small_batch-large").',
      ],
    ],
  ])('%s', (_, text, expected) => {
    expect(messages(text)).toEqual(expected);
  });

  it('a first experiment before anything is imported', () => {
    expect(messages(specText(), { datasets: {} })).toEqual([
      'spec.yaml:3 data.dataset: no data set "fer2013"; none is imported yet: "ferment dataset import FILE --name fer2013" adds it.',
    ]);
  });
});

describe('warnings', () => {
  it('tell of generated faces and of rows left out', () => {
    const made = version('f', { carved: { train: 500, validation: 100, test: 100 } });
    const summary = { ...made.summary, synthetic: true, skipped: [{ row: 3, reason: 'x' }] };
    const { warnings } = resolveSpec(resolved(specText()), {
      datasets: { fer2013: [{ version: 'b'.repeat(64), summary }] },
    });
    expect(warnings).toEqual([
      '"fer2013" holds generated faces: its figures say nothing about real ones',
      '"fer2013" was imported without 1 bad rows',
    ]);
  });
});
