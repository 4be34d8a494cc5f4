import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { distillMethodSpec, type DistillMethodSpec } from '@ferment/contracts';
import {
  classification,
  classGains,
  classStrength,
  confidenceWeights,
  decoupledTerms,
  decoupledWarmup,
  distill,
  DistillHost,
  distillation,
  emotionAwareWeights,
  entropyWeights,
  movingAverage,
  strengthByLabel,
  strengthWeights,
} from '../src/tasks/index.js';
import { add, read, scope, tensor, valueAndGradients, type Tensor } from '../src/tensor/index.js';

interface Fixture {
  student: number[][];
  teachers: number[][][];
  labels: number[];
  indices: number[];
  outOfFold: number[][][];
  temperatures: number[];
  gains: number[];
  strengths: number[][];
  warmup: number;
  tckd: number[];
  nckd: number[];
  weights: Record<string, number[][]>;
  losses: Record<string, { loss: number; gradient: number[][] }>;
}
const fixture = JSON.parse(
  readFileSync(new URL('../fixtures/distillation.json', import.meta.url), 'utf8'),
) as Fixture;
const classes = 7;

const matrix = (rows: readonly (readonly number[])[]) =>
  tensor(Float32Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0], 'float32');
const whole = (values: readonly number[]) => tensor(Int32Array.from(values), [values.length], 'int32');
const value = (compute: () => Tensor) => scope(() => Array.from(read(compute())));

function expectClose(actual: readonly number[], expected: readonly number[], tolerance = 2e-6) {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((item, index) => {
    const reference = expected[index] ?? Number.NaN;
    expect(Math.abs(item - reference)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(reference)));
  });
}

interface Given {
  teachers?: number[][][];
  outOfFold?: number[][][] | null;
  temperatures?: number[];
  strengths?: number[][];
  gains?: number[];
  /** How far an attack moves each logit of the student. */
  moved?: number[][];
}

/** Loss and gradient by the student's logits of a whole distillation task on the fixture's batch. */
function lossOf(method: DistillMethodSpec, given: Given = {}): { loss: number; gradient: number[] } {
  const { moved } = given;
  const { teachers, outOfFold, temperatures, strengths, gains } = { ...fixture, ...given };
  const task = distill({
    classes,
    classification: classification({ classes, labelSmoothing: 0, rebalance: null }),
    method,
    teachers: teachers.length,
    outOfFold: outOfFold ? { images: outOfFold[0]?.length ?? 0 } : null,
  });
  return scope(() => {
    const student = matrix(fixture.student);
    const labels = whole(fixture.labels);
    const known: Record<string, Tensor> = {
      temperatures: tensor(Float32Array.from(temperatures), [temperatures.length], 'float32'),
      strengths: matrix(strengths),
      ...Object.fromEntries((outOfFold ?? []).map((rows, k) => [`outOfFold${k}`, matrix(rows)])),
    };
    const tables = Object.fromEntries(Object.entries(known).filter(([name]) => name in task.tables));
    expect(Object.keys(tables).sort()).toEqual(Object.keys(task.tables).sort());
    const { result, gradients } = valueAndGradients({ student }, () =>
      task.compute({
        batch: { images: student, labels, updateLabels: labels, indices: whole(fixture.indices) },
        student: (images) => images,
        ...(moved && {
          attacked: { images: matrix(moved), studentApart: (moves: Tensor) => add(student, moves) },
        }),
        teachers: teachers.map((rows) => () => matrix(rows)),
        tables,
        inputs: {
          gains: tensor(Float32Array.from(gains), [classes], 'float32'),
          warmup: tensor(Float32Array.of(fixture.warmup), [], 'float32'),
        },
      }),
    );
    const gradient = gradients['student'];
    if (!gradient) throw new Error('no gradient');
    return { loss: read(result.loss)[0] ?? Number.NaN, gradient: Array.from(read(gradient)) };
  });
}

const method = (given: object) => distillMethodSpec.parse(given);
const teacherTensors = (teachers = fixture.teachers) => teachers.map(matrix);

describe('decoupled distillation', () => {
  it('has the terms of the authors code', () => {
    for (const term of ['target', 'others'] as const) {
      const found = value(
        () =>
          decoupledTerms(
            matrix(fixture.student),
            matrix(fixture.teachers[0] ?? []),
            whole(fixture.labels),
            4,
          )[term],
      );
      expectClose(found, term === 'target' ? fixture.tckd : fixture.nckd, 1e-5);
    }
  });

  it.each([1, 4])('KD = TCKD + (1 - p_t[y]) NCKD at T = %d', (temperature) => {
    fixture.student.forEach((student, image) => {
      const teacher = fixture.teachers[1]?.[image] ?? [];
      const label = fixture.labels[image] ?? 0;
      const [kd, target, others] = scope(() => {
        const [s, t] = [matrix([student]), matrix([teacher])];
        const terms = decoupledTerms(s, t, whole([label]), temperature);
        return [distillation(s, t, temperature), terms.target, terms.others].map((x) => read(x)[0] ?? 0);
      });
      const powers = teacher.map((logit) => Math.exp(logit / temperature));
      const p = (powers[label] ?? 0) / powers.reduce((sum, power) => sum + power, 0);
      expectClose([(target ?? 0) + (1 - p) * (others ?? 0)], [kd ?? Number.NaN], 1e-5);
    });
  });

  it('stays finite for a student and a teacher that are all but certain', () => {
    const sure = [[900, 0, 0, 0, 0, 0, 0]];
    const { target, others } = scope(() => {
      const terms = decoupledTerms(matrix(sure), matrix(sure), whole([0]), 1);
      return { target: read(terms.target)[0], others: read(terms.others)[0] };
    });
    expect(target).toBeCloseTo(0, 6);
    expect(others).toBeCloseTo(0, 6);
  });

  it('warms up over a twelfth of the epochs, at least one, or as asked', () => {
    const run = { steps: 240 * 10, stepsPerEpoch: 10 };
    expect(decoupledWarmup(0, run)).toBe(1 / 20);
    expect(decoupledWarmup(9, run)).toBe(1 / 20);
    expect(decoupledWarmup(10, run)).toBe(2 / 20);
    expect(decoupledWarmup(199, run)).toBe(1);
    expect(decoupledWarmup(0, { steps: 30, stepsPerEpoch: 10 })).toBe(1);
    expect(decoupledWarmup(15, run, 4)).toBe(0.5);
  });
});

describe('weights of teachers', () => {
  it('ca-mkd and ebkd agree with the reference', () => {
    const labels = () => whole(fixture.labels);
    expectClose(
      value(() => confidenceWeights(teacherTensors(), labels())),
      fixture.weights['ca-mkd']?.flat() ?? [],
    );
    expectClose(
      value(() => entropyWeights(teacherTensors())),
      fixture.weights['ebkd']?.flat() ?? [],
    );
  });

  it('one teacher weighs 1, identical teachers 1 / K, whatever weighs them', () => {
    const [first = []] = fixture.teachers;
    const ones = fixture.labels.map(() => 1);
    const labels = () => whole(fixture.labels);
    for (const count of [1, 2, 4]) {
      const same = Array.from({ length: count }, () => first);
      const equal = Array.from({ length: count }, () => [0.3, 0.9, 0.5, 0.1, 0.7, 0.2, 0.6]);
      const share = ones.flatMap(() => same.map(() => 1 / count));
      expectClose(
        value(() => confidenceWeights(teacherTensors(same), labels())),
        share,
      );
      expectClose(
        value(() => entropyWeights(teacherTensors(same))),
        share,
      );
      const eadd = () => {
        const strength = strengthByLabel(matrix(strengthWeights(equal, 0.1)), labels());
        return emotionAwareWeights(strength, confidenceWeights(teacherTensors(same), labels()), 0.5);
      };
      expectClose(value(eadd), share);
    }
  });

  const scores = [
    [0.9, 0.1, 0.5, 0.62, 0.2, 0.4, 0.3],
    [0.8, 0.3, 0.4, 0.6, 0.9, 0.5, 0.1],
    [0.1, 0.2, 0.6, 0.61, 0.3, 0.3, 0.2],
  ];
  const every = () => whole([0, 1, 2, 3, 4, 5, 6]);
  const byStrength = (tau: number) =>
    value(() => {
      // An image of each class, on which the teachers' errors differ.
      const logits = scores.map((_, k) =>
        matrix(Array.from({ length: 7 }, (__, c) => fixture.outOfFold[k]?.[c] ?? [])),
      );
      const strength = strengthByLabel(matrix(strengthWeights(scores, tau)), every());
      return emotionAwareWeights(strength, confidenceWeights(logits, every()), 1);
    });

  it('tau towards infinity with lambda 1 weighs all teachers the same', () => {
    expectClose(byStrength(1e9), new Array<number>(21).fill(1 / 3));
  });

  it('tau towards 0 with lambda 1 leaves the best teacher of each class', () => {
    const best = [0, 1, 2, 0, 1, 1, 0];
    expectClose(
      byStrength(1e-4),
      best.flatMap((winner) => [0, 1, 2].map((k) => (k === winner ? 1 : 0))),
    );
  });

  it('eadd agrees with the reference, with and without labels', () => {
    for (const [name, labelFree] of [
      ['eadd', false],
      ['eadd label-free', true],
    ] as const) {
      const expected = fixture.losses[name];
      const { loss, gradient } = lossOf(method({ name: 'eadd', labelFree }));
      expectClose([loss], [expected?.loss ?? Number.NaN]);
      expectClose(gradient, expected?.gradient.flat() ?? [], 1e-6);
    }
  });
});

describe('a whole loss and its gradient agree with the reference', () => {
  it.each([
    ['average', { name: 'average' }],
    ['average', { name: 'kd' }],
    ['ca-mkd', { name: 'ca-mkd' }],
    ['ebkd', { name: 'ebkd' }],
    ['dkd', { name: 'dkd' }],
    ['eadd dkd', { name: 'eadd', target: 'dkd' }],
  ])('%s: %j', (name, given) => {
    const expected = fixture.losses[name];
    const { loss, gradient } = lossOf(method(given));
    expectClose([loss], [expected?.loss ?? Number.NaN], 4e-6);
    expectClose(gradient, expected?.gradient.flat() ?? [], 4e-6);
  });
});

describe('eadd', () => {
  const ones = new Array<number>(classes).fill(1);
  const [first = []] = fixture.teachers;
  const alone: Given = {
    teachers: [first],
    outOfFold: fixture.outOfFold.slice(0, 1),
    temperatures: [1],
    strengths: [ones],
    gains: ones,
  };

  it('with one teacher and gains of 1 is plain distillation', () => {
    const kd = lossOf(method({ name: 'kd' }), alone);
    for (const labelFree of [false, true]) {
      const eadd = lossOf(method({ name: 'eadd', labelFree }), alone);
      expectClose([eadd.loss], [kd.loss], 1e-6);
      expectClose(eadd.gradient, kd.gradient, 1e-6);
    }
  });

  it('takes its teachers in any order', () => {
    const turned = <T>(list: readonly T[]) => [2, 0, 1].map((k) => list[k] as T);
    for (const labelFree of [false, true]) {
      const before = lossOf(method({ name: 'eadd', labelFree }));
      const after = lossOf(method({ name: 'eadd', labelFree }), {
        teachers: turned(fixture.teachers),
        outOfFold: turned(fixture.outOfFold),
        temperatures: turned(fixture.temperatures),
        strengths: turned(fixture.strengths),
      });
      expectClose([after.loss], [before.loss], 1e-6);
      expectClose(after.gradient, before.gradient, 1e-6);
    }
  });

  it.each([{}, { labelFree: true }, { target: 'dkd' }])('%j: the gradient responds to the gains', (given) => {
    const eadd = method({ name: 'eadd', ceWeight: 0, ...given });
    const plain = lossOf(eadd, { gains: ones });
    const doubled = lossOf(eadd, { gains: ones.map(() => 2) });
    expectClose(
      doubled.gradient,
      plain.gradient.map((slope) => 2 * slope),
      1e-5,
    );
    // A gain of one class (3, of the second and fourth images) moves what is learnt from its images.
    const one = lossOf(eadd, { gains: ones.map((gain, label) => (label === 3 ? 2 : gain)) });
    const row = (gradient: number[], image: number) => gradient.slice(image * 7, image * 7 + 7);
    expect(row(one.gradient, 1)).not.toEqual(row(plain.gradient, 1));
    if (!('labelFree' in given)) {
      expectClose(row(one.gradient, 1), row(doubled.gradient, 1), 1e-5);
      expectClose(row(one.gradient, 0), row(plain.gradient, 0), 1e-5);
    }
  });

  it('leaves out what its switches leave out', () => {
    const base = lossOf(method({ name: 'eadd' })).loss;
    // Reliability alone, from predictions out of fold, or from the teachers where there are none.
    const reliable = method({ name: 'eadd', lambda: 0, calibrated: false });
    const seen = lossOf(reliable, { outOfFold: null, gains: ones });
    expectClose([seen.loss], [lossOf(method({ name: 'ca-mkd' })).loss], 1e-5);
    expect(lossOf(reliable, { gains: ones }).loss).not.toBeCloseTo(seen.loss, 4);
    // Neither strengths nor reliability: the mean.
    const equal = fixture.strengths.map(() => ones.map(() => 1 / 3));
    const neither = method({ name: 'eadd', reliability: false, calibrated: false });
    const even = lossOf(neither, { strengths: equal, gains: ones, outOfFold: null });
    expectClose([even.loss], [lossOf(method({ name: 'average' })).loss], 1e-5);
    expect(lossOf(method({ name: 'eadd', calibrated: false })).loss).not.toBeCloseTo(base, 4);
  });
});

describe('eadd with an adversarial term', () => {
  const moved = fixture.student.map((row, image) => row.map((_, c) => Math.sin(3 * image + 2 * c)));
  const images = moved.length;
  const softmax = (row: number[], temperature = 1) => {
    const powers = row.map((logit) => Math.exp(logit / temperature));
    return powers.map((power) => power / powers.reduce((sum, item) => sum + item, 0));
  };
  const attacked = fixture.student.map((row, image) =>
    softmax(row.map((logit, c) => logit + (moved[image]?.[c] ?? Number.NaN))),
  );
  const kl = (p: number[], q: number[]) =>
    p.reduce((sum, share, c) => sum + share * Math.log(share / (q[c] ?? Number.NaN)), 0);
  const { temperatures, teachers } = fixture;

  /** KL(p(x) || p(x')) and its gradient by the logits of x, which x' has its own from. */
  const trades = () => {
    const clean = fixture.student.map((row) => softmax(row));
    const terms = clean.map((p, image) => kl(p, attacked[image] ?? []));
    return {
      loss: terms.reduce((sum, term) => sum + term, 0) / images,
      gradient: clean.flatMap((p, image) =>
        p.map((share, c) => {
          const other = attacked[image]?.[c] ?? Number.NaN;
          return (other - share + share * (Math.log(share / other) - (terms[image] ?? 0))) / images;
        }),
      ),
    };
  };
  /** KL(sum_k w_k p_k(x) || p(x')), teachers calibrated, and the same gradient. */
  const rslad = (weights: number[][]) => {
    const mixture = fixture.student.map((row, image) =>
      row.map((_, c) =>
        teachers.reduce((sum, rows, k) => {
          const shares = softmax(rows[image] ?? [], temperatures[k]);
          return sum + (weights[image]?.[k] ?? Number.NaN) * (shares[c] ?? Number.NaN);
        }, 0),
      ),
    );
    return {
      loss: mixture.reduce((sum, p, image) => sum + kl(p, attacked[image] ?? []), 0) / images,
      gradient: mixture.flatMap((p, image) =>
        p.map((share, c) => ((attacked[image]?.[c] ?? Number.NaN) - share) / images),
      ),
    };
  };

  it.each([
    ['trades', {}, trades],
    ['rslad', {}, () => rslad(fixture.weights['eadd'] ?? [])],
    ['rslad', { labelFree: true }, () => rslad(fixture.weights['eadd label-free'] ?? [])],
    ['rslad', { target: 'dkd' }, () => rslad(fixture.weights['eadd'] ?? [])],
  ] as const)('%s %j adds weight times the term, whose gradient arrives', (term, given, expected) => {
    const plain = lossOf(method({ name: 'eadd', ...given }));
    const { loss, gradient } = lossOf(
      method({ name: 'eadd', ...given, adversarial: { term, weight: 2.5 } }),
      { moved },
    );
    const added = expected();
    expect(added.loss).toBeGreaterThan(0.01);
    expectClose([loss - plain.loss], [2.5 * added.loss], 5e-6);
    expectClose(
      gradient.map((slope, at) => slope - (plain.gradient[at] ?? Number.NaN)),
      added.gradient.map((slope) => 2.5 * slope),
      2e-6,
    );
  });

  it.each(['trades', 'rslad'] as const)('%s of weight 0 is the plain method', (term) => {
    const joint = method({ name: 'eadd', adversarial: { term, weight: 0 } });
    expect(lossOf(joint, { moved })).toEqual(lossOf(method({ name: 'eadd' })));
  });

  it('needs the attacked batch', () => {
    expect(() => lossOf(method({ name: 'eadd', adversarial: { term: 'trades' } }))).toThrow('attacked');
  });
});

describe('class strength', () => {
  // Class 0: three of four right, one of class 1 taken for it; class 1: two of three right; class 2 was never given.
  const picks = [0, 0, 0, 1, 0, 1, 1];
  const labels = Int32Array.from([0, 0, 0, 0, 1, 1, 1]);
  const logits = Float32Array.from(picks.flatMap((pick) => [0, 1, 2].map((c) => (c === pick ? 1 : 0))));

  it('is F1 or recall, shrunk towards the mean of the classes by their size', () => {
    const average = (6 / 8 + 4 / 6 + 0) / 3;
    const expected = [(4 * (6 / 8) + 10 * average) / 14, (3 * (4 / 6) + 10 * average) / 13, average];
    expectClose(classStrength(logits, labels, 3, { shrinkage: 10 }), expected, 1e-12);
    expectClose(
      classStrength(logits, labels, 3, { measure: 'recall', shrinkage: 0 }).slice(0, 2),
      [3 / 4, 2 / 3],
      1e-12,
    );
  });

  it('refuses logits that are not one row for each label', () => {
    expect(() => classStrength(logits.subarray(3), labels, 3)).toThrow(RangeError);
  });
});

describe('class gains', () => {
  const counts = [3995, 436, 4097, 7215, 4830, 3171, 4965];
  const images = counts.reduce((sum, count) => sum + count, 0);
  const weight = (gains: number[]) => gains.reduce((sum, gain, c) => sum + gain * (counts[c] ?? 0), 0);

  it('keep the whole weight of distillation, and raise the weak classes', () => {
    const f1 = [0.5, 0.1, 0.4, 0.85, 0.5, 0.75, 0.6];
    const gains = classGains(f1, counts, 1);
    expect(weight(gains)).toBeCloseTo(images, 6);
    const mean = f1.reduce((sum, score) => sum + score, 0) / 7;
    const clipped = f1.map((score) => Math.min(2, Math.max(0.5, 1 + (mean - score))));
    expectClose(
      gains,
      clipped.map((gain) => (gain * images) / weight(clipped)),
      1e-12,
    );
    expect(gains.indexOf(Math.max(...gains))).toBe(1);
  });

  it('are clipped before they are scaled, and 1 without dynamics', () => {
    const gains = classGains([0, 1, 1, 1, 1, 1, 1], counts, 100);
    expect((gains[0] ?? 0) / (gains[1] ?? 0)).toBeCloseTo(4, 12);
    expectClose(
      classGains([0.1, 0.9, 0.3, 0.2, 0.5, 0.7, 0.8], counts, 0),
      new Array<number>(7).fill(1),
      1e-12,
    );
  });

  it('follow a moving average that starts at the first value', () => {
    expect(movingAverage(null, [0.5, 0.2])).toEqual([0.5, 0.2]);
    expectClose(movingAverage([0.5, 0.2], [1, 0]), [0.55, 0.18], 1e-12);
  });
});

describe('the host of an eadd task', () => {
  const labels = Int32Array.from([0, 0, 1, 2, 3, 4, 5, 6]);
  const score = (f1: number[]) => ({ images: 7, accuracy: 0, macroF1: 0, f1, nll: 0, ece: 0, confusion: [] });
  const host = () =>
    new DistillHost(method({ name: 'eadd' }), {}, labels, ['one', 'two'], { steps: 8, stepsPerEpoch: 2 });
  const seen = {
    weightSums: Float32Array.from([1.5, 0.5, 0.2, 0.8, ...new Array<number>(10).fill(0)]),
    weightEntropy: Float32Array.of(0.25),
  };

  it('tells the mean weights, entropy and gains of an epoch, and starts over', () => {
    const dynamics = host();
    dynamics.observe(Int32Array.of(0, 0, 1), seen);
    const first = dynamics.endEpoch(score([0.2, 0.4, 0.6, 0.8, 0.5, 0.5, 0.5]));
    expect(first).toMatchObject({
      'eadd.entropy': 0.25,
      'eadd.weight.one.angry': 0.75,
      'eadd.weight.two.angry': 0.25,
      'eadd.gain.angry': 1,
    });
    expect(first['eadd.weight.two.disgust']).toBeCloseTo(0.8, 6);
    expect('eadd.weight.one.happy' in first).toBe(false);
    const second = dynamics.endEpoch(score([1, 1, 1, 1, 1, 1, 1]));
    expect(second['eadd.gain.angry']).toBeGreaterThan(1);
    expect('eadd.entropy' in second).toBe(false);
  });

  it('goes on from what it saved as if it had not stopped', () => {
    const [one, other] = [host(), host()];
    one.observe(Int32Array.of(0, 0, 1), seen);
    one.endEpoch(score([0.2, 0.4, 0.6, 0.8, 0.5, 0.5, 0.5]));
    one.observe(Int32Array.of(0, 1), seen);
    other.restore(JSON.parse(JSON.stringify(one.save())) as ReturnType<typeof one.save>);
    expect(other.inputs(3)).toEqual(one.inputs(3));
    const f1 = [0.9, 0.1, 0.6, 0.8, 0.5, 0.5, 0.5];
    expect(other.endEpoch(score(f1))).toEqual(one.endEpoch(score(f1)));
    expect(other.inputs(4)).toEqual(one.inputs(4));
  });
});
