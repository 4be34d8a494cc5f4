import { describe, expect, it } from '@jest/globals';
import { divergence, divergenceFrom } from '../src/attacks/index.js';
import {
  innerFetches,
  innerInputs,
  innerState,
  type InnerObjective,
  type InnerProgram,
} from '../src/attacks/inner.js';
import { attackedModel } from '../src/attacks/program.js';
import { capture, interpret, type Program } from '../src/capture/index.js';
import { smoothLabels } from '../src/tasks/index.js';
import { cast, multiply, read, scope, tensor } from '../src/tensor/index.js';
import { variableSpecs } from '../src/train/specs.js';
import { drawnModel } from './support/attacks.js';
import { patternImages } from './support/pattern-images.js';
import { inferEagerly } from './support/run-model.js';
import { tinyVgg } from './support/training.js';

const [size, batch] = [16, 8];
const set = patternImages(batch, size, 2);
const { model, weights } = drawnModel(tinyVgg, size, 6);
const epsilon = 8 / 255;

function opened(objective: InnerObjective, open: typeof capture | typeof interpret = capture) {
  const program: InnerProgram = { objective, batch, images: set, classes: 7 };
  const inputs = {
    ...innerInputs,
    pixels: { shape: [batch, size, size, 1], dtype: 'uint8' },
    labels: { shape: [batch], dtype: 'int32' },
  } as const;
  const network = attackedModel(model, variableSpecs(model), { mean: 0.5, std: 0.25 });
  const fetches = innerFetches<typeof inputs>(program, network, {
    pictures: (step) => multiply(cast(step.inputs.pixels, 'float32'), 1 / 255),
    labels: (step) => step.inputs.labels,
    // Probabilities that no network gives: what a teacher says is for the program around the attack.
    taught: (_, step) => smoothLabels(step.inputs.labels, 7, 0.3),
  });
  const state = { model: variableSpecs(model), inner: innerState(program) };
  const session: Program<typeof state, typeof inputs, keyof typeof fetches> = open({
    state,
    inputs,
    fetches,
  });
  session.write('model', weights);
  const attacked = () => Float32Array.from(session.read('inner')['attacked'] ?? []);
  return {
    session,
    attacked,
    start: (radius: number, key = 1) =>
      session.run('inner-start', {
        pixels: set.pixels,
        labels: set.labels,
        key: Int32Array.of(0, key),
        epsilon: Float32Array.of(radius),
      }),
    step: (radius: number, stepSize: number) =>
      session.run('inner-step', {
        labels: set.labels,
        epsilon: Float32Array.of(radius),
        stepSize: Float32Array.of(stepSize),
      }),
  };
}

const clean = Float32Array.from(set.pixels, (pixel) => pixel * Math.fround(1 / 255));
const moves = (attacked: Float32Array) => attacked.map((value, at) => value - (clean[at] ?? Number.NaN));
const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('the divergence', () => {
  it("is KL(p(x) || p(x')), summed", () => {
    const [x, y] = [
      [1, -0.5, 0.25, 0.1, 2, -1],
      [0.5, 0, 0.3, -0.2, 1, 1],
    ];
    const softmax = (row: number[]) => {
      const powers = row.map(Math.exp);
      return powers.map((power) => power / powers.reduce((sum, value) => sum + value, 0));
    };
    const expected = [0, 3]
      .flatMap((at) => {
        const [p, q] = [softmax(x.slice(at, at + 3)), softmax(y.slice(at, at + 3))];
        return p.map((value, index) => value * Math.log(value / (q[index] ?? Number.NaN)));
      })
      .reduce((sum, value) => sum + value, 0);
    const rows = (values: number[]) => tensor(Float32Array.from(values), [2, 3], 'float32');
    expect(scope(() => read(divergence(rows(x), rows(y)))[0])).toBeCloseTo(expected, 6);
  });
});

describe("PGD-AT's inner attack", () => {
  it('starts uniformly in the ball, by its key', () => {
    const { session, start, attacked } = opened('crossEntropy');
    start(epsilon);
    const first = attacked();
    const moved = moves(first);
    expect(Math.max(...moved)).toBeLessThanOrEqual(epsilon + 1e-6);
    expect(Math.min(...moved)).toBeGreaterThanOrEqual(-epsilon - 1e-6);
    // The variance of a uniform start; 2048 values leave a standard error of 2 %.
    const spread = mean(moved.map((value) => value * value)) / (epsilon ** 2 / 3);
    expect(Math.abs(spread - 1)).toBeLessThan(0.08);
    start(epsilon);
    expect(attacked()).toEqual(first);
    start(epsilon, 2);
    expect(attacked()).not.toEqual(first);
    session.dispose();
  });

  it('leaves pictures alone in a ball of no size', () => {
    const { session, start, step, attacked } = opened('crossEntropy');
    start(0);
    step(0, 0);
    expect(attacked()).toEqual(clean);
    session.dispose();
  });
});

describe.each(['divergence', 'divergenceFromTeachers'] as const)('the inner attack by %s', (objective) => {
  it('starts at x + 0.001 N(0, 1)', () => {
    const { session, start, attacked } = opened(objective);
    start(epsilon);
    const moved = moves(attacked());
    // 2048 values: standard errors of 2.2e-5 and 1.6 %.
    expect(Math.abs(mean(moved))).toBeLessThan(1e-4);
    expect(Math.sqrt(mean(moved.map((value) => value * value)))).toBeCloseTo(0.001, 4);
    session.dispose();
  });
});

describe("RSLAD's inner attack", () => {
  it("raises KL(p || p(x')) from the probabilities p that it was given for x", () => {
    const { session, start, step, attacked } = opened('divergenceFromTeachers');
    start(epsilon);
    const given = Float32Array.from(session.read('inner')['clean'] ?? []);
    set.labels.forEach((label, image) => {
      for (let c = 0; c < 7; c += 1)
        expect(given[image * 7 + c]).toBeCloseTo(c === label ? 0.7 + 0.3 / 7 : 0.3 / 7, 6);
    });
    const apart = () => {
      const unit = attacked().map((value) => (value - 0.5) / 0.25);
      const { logits } = inferEagerly(model, weights, unit, [batch, size, size, 1]);
      return scope(() => {
        const [p, z] = [tensor(given, [batch, 7], 'float32'), tensor(logits, [batch, 7], 'float32')];
        return read(divergenceFrom(p, z))[0] ?? Number.NaN;
      });
    };
    const distances = [apart()];
    for (let count = 0; count < 3; count += 1) {
      step(epsilon, epsilon / 4);
      distances.push(apart());
    }
    expect(distances).toEqual([...distances].sort((a, b) => a - b));
    expect(new Set(distances).size).toBe(4);
    expect(session.read('inner')['clean']).toEqual(given);
    session.dispose();
  });

  it('takes a probability of zero as it is', () => {
    const [p, z] = [
      [1, 0],
      [-2, 1],
    ];
    const found = scope(
      () =>
        read(
          divergenceFrom(
            tensor(Float32Array.from(p), [1, 2], 'float32'),
            tensor(Float32Array.from(z), [1, 2], 'float32'),
          ),
        )[0],
    );
    expect(found).toBeCloseTo(Math.log(1 + Math.exp(3)), 5);
  });
});

const every: InnerObjective[] = ['crossEntropy', 'divergence', 'divergenceFromTeachers'];
describe.each(every)('the inner attack by %s', (objective) => {
  it('moves every step within the ball, away from x', () => {
    const { session, start, step, attacked } = opened(objective);
    start(epsilon);
    for (let count = 0; count < 5; count += 1) {
      const found = step(epsilon, epsilon / 2);
      expect(found['distance']?.[0]).toBeLessThanOrEqual(epsilon + 1e-6);
      expect(found['lowest']?.[0]).toBeGreaterThanOrEqual(0);
      expect(found['highest']?.[0]).toBeLessThanOrEqual(1);
    }
    expect(mean(moves(attacked()).map(Math.abs))).toBeGreaterThan(epsilon / 2);
    session.dispose();
  });

  it('agrees with eager execution at a fixed picture', () => {
    const [captured, eager] = [opened(objective), opened(objective, interpret)];
    captured.start(epsilon);
    captured.step(epsilon, epsilon / 4);
    const fixed = captured.attacked();
    const results = [captured, eager].map((run) => {
      run.start(epsilon);
      run.session.write('inner', { attacked: fixed });
      run.step(epsilon, epsilon / 4);
      const result = run.attacked();
      run.session.dispose();
      return result;
    });
    const [a = new Float32Array(), b = new Float32Array()] = results;
    const apart = a.filter((value, at) => Math.abs(value - (b[at] ?? Number.NaN)) > 1e-6).length;
    expect(apart / a.length).toBeLessThan(1e-3);
  });
});
