import { describe, expect, it } from '@jest/globals';
import { classification, distill, distillation, smoothLabels } from '../src/tasks/index.js';
import { read, scope, tensor, type Tensor } from '../src/tensor/index.js';

const matrix = (rows: number[][]) =>
  tensor(Float32Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0], 'float32');
const value = (compute: () => Tensor) => scope(() => Array.from(read(compute())));

function probabilities(logits: readonly number[], temperature: number): number[] {
  const powers = logits.map((logit) => Math.exp(logit / temperature));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** T² KL(teacher || student) by the formula, in double precision. */
function reference(student: number[][], teacher: number[][], temperature: number): number {
  const rows = student.map((logits, row) => {
    const p = probabilities(teacher[row] ?? [], temperature);
    const q = probabilities(logits, temperature);
    return p.reduce((sum, pc, c) => sum + pc * Math.log(pc / (q[c] ?? Number.NaN)), 0);
  });
  return (temperature ** 2 * rows.reduce((sum, row) => sum + row, 0)) / rows.length;
}

const student = [
  [1, -0.5, 0.25],
  [0.1, 2, -1],
];
const teacher = [
  [2, 0, -1],
  [-0.5, 1.5, 0.75],
];

describe('smoothLabels', () => {
  it('spreads the smoothing over all classes', () => {
    const rows = value(() => smoothLabels(tensor(Int32Array.of(1), [1], 'int32'), 4, 0.2));
    [0.05, 0.85, 0.05, 0.05].forEach((expected, index) => expect(rows[index]).toBeCloseTo(expected, 6));
  });
});

describe('the cross entropy of labels', () => {
  it('is ln 7 for equal logits, whatever the smoothing', () => {
    const { loss } = classification({ classes: 7, labelSmoothing: 0.3, rebalance: null });
    const found = value(() => {
      const logits = matrix([[3, 3, 3, 3, 3, 3, 3]]);
      const labels = tensor(Int32Array.of(5), [1], 'int32');
      const batch = { images: logits, labels, updateLabels: labels, indices: labels };
      return loss(logits, { batch, tables: {}, inputs: {} });
    });
    expect(found[0]).toBeCloseTo(Math.log(7), 6);
  });
});

describe('distillation', () => {
  it.each([1, 2, 4])('is T² KL(teacher || student) at T = %d', (temperature) => {
    const loss = value(() => distillation(matrix(student), matrix(teacher), temperature));
    expect(loss[0]).toBeCloseTo(reference(student, teacher, temperature), 5);
  });

  it('is zero where the student agrees up to a constant', () => {
    const shifted = teacher.map((row) => row.map((logit) => logit + 3));
    expect(value(() => distillation(matrix(shifted), matrix(teacher), 4))[0]).toBeCloseTo(0, 5);
  });
});

describe('the distillation task', () => {
  const method = {
    name: 'kd',
    temperature: 3,
    ceWeight: 0.25,
    distillWeight: 0.75,
    calibrated: false,
  } as const;
  const loss = (teachers: number[][][]) =>
    value(() => {
      const images = matrix(student);
      const labels = tensor(Int32Array.of(0, 1), [2], 'int32');
      const task = distill({
        classes: 3,
        classification: classification({ classes: 3, labelSmoothing: 0, rebalance: null }),
        method,
        teachers: teachers.length,
        outOfFold: null,
      });
      const indices = tensor(Int32Array.of(0, 1), [2], 'int32');
      return task.compute({
        batch: { images, labels, updateLabels: labels, indices },
        student: (x: Tensor) => x,
        teachers: teachers.map((rows) => () => matrix(rows)),
        tables: {},
        inputs: {},
      }).loss;
    })[0];
  const labelLoss =
    student.reduce((sum, row, index) => sum - Math.log(probabilities(row, 1)[index] ?? Number.NaN), 0) / 2;

  it('weighs labels and teacher', () => {
    expect(loss([teacher])).toBeCloseTo(0.25 * labelLoss + 0.75 * reference(student, teacher, 3), 5);
  });

  it('gives each of K teachers the weight 1 / K', () => {
    const other = [
      [0, 0, 1],
      [1, -1, 0],
    ];
    const mean = (reference(student, teacher, 3) + reference(student, other, 3)) / 2;
    expect(loss([teacher, other])).toBeCloseTo(0.25 * labelLoss + 0.75 * mean, 5);
    expect(loss([teacher, teacher])).toBeCloseTo(loss([teacher]) ?? Number.NaN, 6);
  });
});
