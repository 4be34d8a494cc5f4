import { describe, expect, it } from '@jest/globals';
import {
  canonicalSpec,
  formatProblem,
  modelNames,
  parseSpecText,
  parseSpecValue,
  stageTraining,
  type ExperimentSpec,
} from '../src/index.js';
import { editDistance, nearestName } from '../src/nearest.js';

const models = modelNames.map((name) => `"${name}"`).join(', ');

const spec = `specVersion: 1
name: demo
data: { dataset: fer2013 }
stages:
  teacher:
    kind: train
    seed: 0
    model: { name: vgg, width: 0.5 }
    train: &training { epochs: 8, batch: 64 }
  student:
    kind: distill
    teachers: [teacher]
    model: { name: vgg, width: 0.25 }
    method: { name: kd, temperature: 4 }
    train: { <<: *training, batch: 32 }
result: student
seeds: [0, 1, 2]
ablation:
  design: one-at-a-time
  factors:
    teachers: { none: { stages.student.kind: train } }
    temperature: { 2: { stages.student.method.temperature: 2 }, 8: { stages.student.method.temperature: 8 } }
`;

/** The spec with one piece of it replaced. */
function changed(from: string, to: string): string {
  if (!spec.includes(from)) throw new Error(`the spec has no "${from}"`);
  return spec.replace(from, to);
}

function messages(text: string): string[] {
  const parsed = parseSpecText(text);
  return parsed.ok ? [] : parsed.problems.map((problem) => formatProblem(problem, 'spec.yaml'));
}

const trainingOf = (made: ExperimentSpec) => stageTraining(made, 'student');

function accepted(text: string) {
  const parsed = parseSpecText(text);
  if (!parsed.ok) throw new Error(messages(text).join('\n'));
  return parsed.spec;
}

describe('a spec that is right', () => {
  it('has its defaults written out', () => {
    const { data, stages, evaluate, select, description } = accepted(spec);
    expect({ data, evaluate, select, description }).toEqual({
      data: {
        dataset: 'fer2013',
        labels: 'fer',
        classes: 7,
        preprocess: { size: 48, channels: 1 },
        subset: null,
      },
      evaluate: {
        on: [],
        testTime: 'none',
        attackImages: 1000,
        attacks: [],
        corruptions: null,
        latency: true,
      },
      select: { metric: 'validation.macroF1' },
      description: '',
    });
    expect(stages['teacher']).toEqual({
      kind: 'train',
      seed: 0,
      model: { name: 'vgg', width: 0.5, dropout: 0 },
      train: {
        epochs: 8,
        batch: 64,
        accumulate: 1,
        optimizer: { name: 'sgd', lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
        schedule: { name: 'cosine', warmup: 1 },
        clip: null,
        ema: null,
        recalibrate: null,
        augment: 'standard',
        mixup: 0,
        cutmix: 0,
        labelSmoothing: 0,
        rebalance: null,
        freeze: [],
        layerRates: {},
        precision: 'float32',
        threads: 1,
      },
    });
  });

  it('may merge one mapping into another: its own keys win', () => {
    expect(trainingOf(accepted(spec))?.train).toMatchObject({ epochs: 8, batch: 32 });
  });

  it('merges a list of mappings: the first that has a key wins', () => {
    const text = changed('{ <<: *training, batch: 32 }', '{ <<: [{ epochs: 3 }, *training] }');
    expect(trainingOf(accepted(text))?.train).toMatchObject({ epochs: 3, batch: 64 });
  });

  it('takes keys as they are written, numbers and "off" among them', () => {
    const { ablation } = accepted(changed('none: {', 'off: {'));
    expect(
      ablation?.design === 'one-at-a-time' && Object.keys(ablation.factors['temperature'] ?? {}),
    ).toEqual(['2', '8']);
    expect(ablation?.design === 'one-at-a-time' && Object.keys(ablation.factors['teachers'] ?? {})).toEqual([
      'off',
    ]);
  });

  it('means the same as YAML, as JSON with tabs, and as a value', () => {
    const parsed = parseSpecText(spec);
    if (!parsed.ok) throw new Error('refused');
    const text = canonicalSpec(parsed.spec);
    expect(canonicalSpec(accepted(JSON.stringify(parsed.value, null, '\t')))).toBe(text);
    const again = parseSpecValue(parsed.value);
    expect(again.ok && canonicalSpec(again.spec)).toBe(text);
  });

  it('stays as it is when its complete form is read again', () => {
    const once = accepted(spec);
    const again = parseSpecValue(once);
    expect(again.ok && again.spec).toEqual(once);
  });

  it('may write a fraction wherever a number is asked for', () => {
    const made = accepted(changed('width: 0.25', 'width: 1/4'));
    expect(trainingOf(made)?.model.width).toBe(0.25);
  });
});

describe('a spec that is wrong is answered with line, path, what was expected and the nearest name', () => {
  const cases: [string, string, string, string[]][] = [
    [
      'an unknown key',
      'temperature: 4',
      'temprature: 4',
      ['spec.yaml:14 stages.student.method.temprature: unknown key. Did you mean "temperature"?'],
    ],
    [
      'an unknown key near to none',
      'seed: 0',
      'colour: red',
      [
        'spec.yaml:7 stages.teacher.colour: unknown key for kind "train"; expected one of "kind", "seed", "data", "start", "model", "train".',
      ],
    ],
    [
      'an unknown key at the top',
      'seeds: [0, 1, 2]',
      'sedes: [0]',
      ['spec.yaml:17 sedes: unknown key. Did you mean "seeds"?'],
    ],
    [
      'a wrong type',
      'epochs: 8',
      'epochs: eight',
      [
        'spec.yaml:9 stages.teacher.train.epochs: expected a number, got "eight".',
        'spec.yaml:9 stages.student.train.epochs: expected a number, got "eight".',
      ],
    ],
    [
      'a fraction of an epoch',
      'epochs: 8',
      'updates: 8.5',
      [
        'spec.yaml:9 stages.teacher.train.updates: expected a whole number, got 8.5.',
        'spec.yaml:9 stages.student.train.updates: expected a whole number, got 8.5.',
      ],
    ],
    [
      'a value out of bounds',
      'batch: 32',
      'batch: 0',
      ['spec.yaml:15 stages.student.train.batch: expected at least 1, got 0.'],
    ],
    [
      'a temperature of zero',
      'temperature: 4',
      'temperature: 0',
      ['spec.yaml:14 stages.student.method.temperature: expected a number above 0, got 0.'],
    ],
    [
      'an unknown model',
      'name: vgg, width: 0.5',
      'name: resnet, width: 0.5',
      [
        `spec.yaml:8 stages.teacher.model.name: expected one of ${models}, got "resnet". Did you mean "resnet18"?`,
      ],
    ],
    [
      'a model without a name',
      'name: vgg, width: 0.5',
      'width: 0.5',
      [`spec.yaml:8 stages.teacher.model.name: missing; expected one of ${models}.`],
    ],
    [
      'an unknown method',
      'name: kd',
      'name: eebkd',
      [
        'spec.yaml:14 stages.student.method.name: expected one of "kd", "average", "best", "ca-mkd", "ebkd", "dkd", "eadd", got "eebkd". Did you mean "ebkd"?',
      ],
    ],
    [
      'an unknown kind of stage',
      'kind: distill',
      'kind: destill',
      [
        'spec.yaml:11 stages.student.kind: expected one of "refine", "train", "distill", "adversarial", "ensemble", "calibrate", "weights", got "destill". Did you mean "distill"?',
      ],
    ],
    [
      'a preset that does not exist',
      'batch: 32 }',
      'augment: standart }',
      [
        'spec.yaml:15 stages.student.train.augment: expected one of "none", "flip", "standard", "strong", or keys with values, got "standart". Did you mean "standard"?',
      ],
    ],
    [
      'a key of an augmentation that does not exist',
      'batch: 32 }',
      'augment: { flipp: 0.5 } }',
      ['spec.yaml:15 stages.student.train.augment.flipp: unknown key. Did you mean "flip"?'],
    ],
    [
      'channels that no picture has',
      'dataset: fer2013 }',
      'dataset: fer2013, preprocess: { channels: 2 } }',
      ['spec.yaml:3 data.preprocess.channels: expected one of 1, 3, got 2.'],
    ],
    ['a missing key', 'result: student\n', '', ['spec.yaml:1 result: missing; expected text.']],
    [
      'neither epochs nor updates',
      'epochs: 8, batch: 64',
      'batch: 64',
      [
        'spec.yaml:9 stages.teacher.train.epochs: expected exactly one of "epochs" and "updates".',
        'spec.yaml:15 stages.student.train.epochs: expected exactly one of "epochs" and "updates".',
      ],
    ],
    [
      'a stage with a name that is none',
      '  teacher:\n',
      '  my teacher:\n',
      ['spec.yaml:5 stages.my teacher: expected a name of letters, digits, "-" and "_" (at most 64) as key.'],
    ],
    [
      'a key that stands twice',
      'result: student',
      'result: student\nresult: teacher',
      ['spec.yaml:17 result: this key stands here twice.'],
    ],
    ['the same seed twice', 'seeds: [0, 1, 2]', 'seeds: [1, 1]', ['spec.yaml:17 seeds: seeds must differ.']],
    [
      'a result that is no stage',
      'result: student',
      'result: studnet',
      [
        'spec.yaml:16 result: no stage "studnet"; expected one of "teacher", "student". Did you mean "student"?',
      ],
    ],
    [
      'a teacher that is no stage',
      'teachers: [teacher]',
      'teachers: [teachr]',
      [
        'spec.yaml:12 stages.student.teachers.0: no stage "teachr"; expected one of "teacher", "student". Did you mean "teacher"?',
      ],
    ],
    [
      'a teacher named after what every object inherits',
      'teachers: [teacher]',
      'teachers: [toString]',
      ['spec.yaml:12 stages.student.teachers.0: no stage "toString"; expected one of "teacher", "student".'],
    ],
    [
      'a stage that teaches itself',
      'teachers: [teacher]',
      'teachers: [student]',
      ['spec.yaml:12 stages.student.teachers.0: stages in a circle: student -> student.'],
    ],
    [
      'a teacher named twice',
      'teachers: [teacher]',
      'teachers: [teacher, teacher]',
      ['spec.yaml:12 stages.student.teachers.1: "teacher" stands here twice.'],
    ],
    [
      'a start whose weights do not fit',
      'teachers: [teacher]',
      'teachers: [teacher]\n    start: teacher',
      [
        'spec.yaml:13 stages.student.start: expected a stage with the same model, whose weights this stage can start from.',
      ],
    ],
    [
      'a batch that cannot be cut into so many parts',
      '*training, batch: 32',
      '*training, batch: 32, accumulate: 3',
      ['spec.yaml:15 stages.student.train.accumulate: expected a divisor of "batch".'],
    ],
    [
      'a plateau that makes the rate rise',
      '*training, batch: 32',
      '*training, schedule: { name: plateau, factor: 2 }',
      ['spec.yaml:15 stages.student.train.schedule.factor: expected at most 0.9999, got 2.'],
    ],
    [
      'images mixed for a method that asks for their labels',
      'name: kd, temperature: 4 }\n    train: { <<: *training, batch: 32',
      'name: dkd }\n    train: { <<: *training, mixup: 0.2',
      [
        'spec.yaml:15 stages.student.train.mixup: the method dkd needs one label for each picture; expected 0.',
      ],
    ],
    [
      'pictures too small for a model',
      'dataset: fer2013 }\nstages:\n  teacher:\n    kind: train\n    seed: 0\n    model: { name: vgg',
      'dataset: fer2013, preprocess: { size: 16 } }\nstages:\n  teacher:\n    kind: train\n    seed: 0\n    model: { name: resnet18',
      ['spec.yaml:3 data.preprocess.size: expected at least 32 for resnet18 of stage "teacher", got 16.'],
    ],
    [
      'a data set scored twice',
      'result: student',
      'result: student\nevaluate: { on: [{ dataset: kdef }, { dataset: kdef }] }',
      ['spec.yaml:17 evaluate.on.1.dataset: "kdef" stands here twice.'],
    ],
    [
      'an unknown design',
      'design: one-at-a-time',
      'design: one-at-time',
      [
        'spec.yaml:19 ablation.design: expected one of "one-at-a-time", "full-factorial", "list", got "one-at-time". Did you mean "one-at-a-time"?',
      ],
    ],
    [
      'a patch on a key that does not exist',
      'stages.student.method.temperature: 8',
      'stages.student.method.temprature: 8',
      [
        'spec.yaml:22 ablation.factors.temperature.8.stages.student.method.temprature: unknown key (variant "temperature-8"). Did you mean "temperature"?',
      ],
    ],
    [
      'a patch that takes away a key that does not exist',
      'stages.student.method.temperature: 8',
      'stages.student.method.temprature: null',
      [
        'spec.yaml:22 ablation.factors.temperature.8.stages.student.method.temprature: unknown key (variant "temperature-8"). Did you mean "temperature"?',
      ],
    ],
    [
      'a patch into a stage that does not exist',
      'stages.student.kind: train',
      'stages.studnet.kind: train',
      [
        'spec.yaml:21 ablation.factors.teachers.none.stages.studnet.kind: no "studnet" here; expected one of "teacher", "student" (variant "teachers-none"). Did you mean "student"?',
      ],
    ],
    [
      'a patch with a value out of bounds',
      'stages.student.method.temperature: 8',
      'stages.student.method.temperature: -8',
      [
        'spec.yaml:22 ablation.factors.temperature.8.stages.student.method.temperature: expected a number above 0, got -8 (variant "temperature-8").',
      ],
    ],
    [
      'a patch that leaves a reference to nothing',
      'stages.student.kind: train',
      'stages.teacher: null',
      [
        'spec.yaml:21 ablation.factors.teachers.none: variant "teachers-none": stages.student.teachers.0: no stage "teacher"; expected "student".',
      ],
    ],
    [
      'a patch on what is not part of a configuration',
      'stages.student.kind: train',
      'seeds: [7]',
      [
        'spec.yaml:21 ablation.factors.teachers.none.seeds: a patch cannot change this; expected a path into one of "data", "stages", "result", "evaluate", "select" (variant "teachers-none").',
      ],
    ],
    [
      'two factors that change one path in a factorial',
      'design: one-at-a-time\n  factors:\n    teachers: { none: { stages.student.kind: train } }',
      'design: full-factorial\n  factors:\n    method: { other: { stages.student.method.temperature: 1 } }',
      [
        'spec.yaml:21 ablation.factors.method.other.stages.student.method.temperature: the factors "method" and "temperature" both change "stages.student.method.temperature"; a full factorial has each path in one factor.',
        'spec.yaml:22 ablation.factors.temperature.2.stages.student.method.temperature: the factors "temperature" and "method" both change "stages.student.method.temperature"; a full factorial has each path in one factor.',
        'spec.yaml:22 ablation.factors.temperature.8.stages.student.method.temperature: the factors "temperature" and "method" both change "stages.student.method.temperature"; a full factorial has each path in one factor.',
      ],
    ],
    [
      'factors without levels',
      'teachers: { none: { stages.student.kind: train } }',
      'teachers: {}',
      ['spec.yaml:21 ablation.factors.teachers: expected at least one level.'],
    ],
    [
      'an unknown key after a thousand seeds',
      'seeds: [0, 1, 2]',
      `seeds: [${Array.from({ length: 1000 }, (_, seed) => seed).join(', ')}]\nx: 1`,
      [
        'spec.yaml:18 x: unknown key; expected one of "specVersion", "name", "description", "tags", "data", "stages", "result", "evaluate", "select", "seeds", "ablation", "search", "earlyStop", "run".',
      ],
    ],
  ];

  it.each(cases)('%s', (_, from, to, expected) => {
    expect(messages(changed(from, to))).toEqual(expected);
  });

  it('two variants of one name', () => {
    const list = `ablation:
  design: list
  variants:
    - { name: hot, patch: { stages.student.method.temperature: 8 } }
    - { name: hot, patch: { stages.student.method.temperature: 9 } }
    - { name: baseline, patch: {} }
`;
    expect(messages(spec.slice(0, spec.indexOf('ablation:')) + list)).toEqual([
      'spec.yaml:22 ablation.variants.1.name: two variants are named "hot".',
      'spec.yaml:23 ablation.variants.2.name: "baseline" is the spec as written; expected another name.',
    ]);
  });

  it('more trials than an experiment may have', () => {
    const factor = (path: string) =>
      `{ ${Array.from({ length: 30 }, (_, level) => `l${level}: { ${path}: ${level + 1} }`).join(', ')} }`;
    const ablation = `ablation:
  design: full-factorial
  factors:
    a: ${factor('stages.student.method.temperature')}
    b: ${factor('stages.student.train.batch')}
    c: ${factor('stages.teacher.train.batch')}
`;
    expect(messages(spec.slice(0, spec.indexOf('ablation:')) + ablation)).toEqual([
      'spec.yaml:18 ablation: expected at most 20000 trials (variants times seeds), got 89373.',
    ]);
  });

  it.each([
    ['nothing at all', '', 'spec.yaml:1: expected keys with values, got null.'],
    ['a list', '- 1', 'spec.yaml:1: expected keys with values, got a list.'],
    [
      'brackets that do not close',
      'name: [1, 2',
      'spec.yaml:1: not YAML or JSON: Flow sequence in block collection must be sufficiently indented and end with a ].',
    ],
    [
      'an alias to nothing',
      'name: *nothing',
      'spec.yaml:1 name: no anchor "&nothing" stands before this alias.',
    ],
    ['an anchor inside itself', 'name: &a [*a]', 'spec.yaml: nested too deeply: at most 40 levels.'],
    ['a list as key', '? [a]\n: 1', 'spec.yaml:1: expected a name as key.'],
    [
      'a tag',
      'name: !!js/function "x"',
      'spec.yaml:1: not YAML or JSON: Unresolved tag: tag:yaml.org,2002:js/function.',
    ],
    [
      'two documents',
      'name: a\n---\nname: b',
      'spec.yaml:2: not YAML or JSON: Source contains multiple documents; please use YAML.parseAllDocuments().',
    ],
    [
      'a key that reaches into prototypes',
      'name: a\n__proto__: { result: x }',
      'spec.yaml:2 __proto__: a key may not have this name.',
    ],
  ])('%s', (_, text, expected) => {
    expect(messages(text)).toEqual([expected]);
  });

  it('aliases that would grow without end', () => {
    const rows = Array.from({ length: 9 }, (_, row) => {
      const inner = row === 0 ? 'x' : `*a${row - 1}`;
      return `a${row}: &a${row} [${Array.from({ length: 9 }, () => inner).join(', ')}]`;
    });
    expect(messages(rows.join('\n'))).toEqual([
      'spec.yaml: too many values: at most 200000, aliases counted each time.',
    ]);
  });

  it('values that no JSON holds', () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    for (const [value, expected] of [
      [circle, 'nested too deeply: at most 40 levels'],
      [JSON.parse('{"__proto__": {"name": "x"}}'), 'a key may not be named "__proto__"'],
      [undefined, 'missing; expected keys with values'],
    ] as [unknown, string][]) {
      expect(parseSpecValue(value)).toEqual({
        ok: false,
        problems: [{ path: '', message: expected, line: null, suggestion: null }],
      });
    }
  });
});

describe('a problem found later', () => {
  it('gets its line, through patches too', () => {
    const parsed = parseSpecText(spec);
    if (!parsed.ok) throw new Error('refused');
    const problem = (path: string) => ({ path, message: 'm', line: null, suggestion: null });
    const lines = parsed
      .located([
        problem('data.dataset'),
        problem('stages.student.train.batch'),
        problem('ablation.factors.temperature.8.stages.student.method.temperature'),
        problem('select.metric'),
      ])
      .map(({ line }) => line);
    expect(lines).toEqual([3, 15, 22, 1]);
  });
});

describe('nearestName', () => {
  it.each([
    ['temprature', ['temperature', 'teachers'], 'temperature'],
    ['mobilenet', ['resnet18', 'mobilenetv3-large'], 'mobilenetv3-large'],
    ['Label-Smoothing', ['labelSmoothing'], 'labelSmoothing'],
    ['adam', ['sgd', 'adamw'], 'adamw'],
    ['xyz', ['sgd', 'adamw'], null],
    ['', ['a'], null],
    ['x'.repeat(100), ['x'.repeat(99)], null],
  ])('%s', (name, candidates, expected) => {
    expect(nearestName(name, candidates)).toBe(expected);
  });

  it('counts a swap of neighbours as one edit', () => {
    expect(editDistance('lable', 'label')).toBe(1);
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('', 'abc')).toBe(3);
  });
});
