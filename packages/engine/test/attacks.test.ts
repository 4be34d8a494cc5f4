import { attackNames, defaultStepSize, type AttackName, type AttackRun } from '@ferment/contracts';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { attacks, objectives, rightOf, startNoise, verifyInside } from '../src/attacks/index.js';
import { defineModel, linear, type Model } from '../src/nn/index.js';
import { read, reshape, scope, tensor, valueAndGradients } from '../src/tensor/index.js';
import { drawnModel, openAttack, picturesOf, type OpenedAttack } from './support/attacks.js';
import { patternImages } from './support/pattern-images.js';
import { tinyVgg } from './support/training.js';

jest.setTimeout(300_000);

function runOf(attack: AttackName, epsilon: number, steps = 6, restarts = 1): AttackRun {
  return attack === 'fgsm'
    ? { attack, epsilon, steps: 1, restarts: 1, stepSize: epsilon }
    : { attack, epsilon, steps, restarts, stepSize: defaultStepSize(epsilon, steps) };
}

/** What an attack of the registry raises, for one row of logits, by the formula and in double precision. */
const raised = {
  crossEntropy: (logits: number[], label: number) =>
    Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0)) - (logits[label] ?? Number.NaN),
  margin: (logits: number[], label: number) =>
    Math.max(...logits.filter((_, index) => index !== label)) - (logits[label] ?? Number.NaN),
};

describe.each(Object.keys(objectives) as (keyof typeof objectives)[])('the objective %s', (name) => {
  const rows = [
    [1, -0.5, 0.25],
    [0.1, 2, -1],
    [-3, -2, 7],
  ];
  const labels = [0, 0, 2];
  const expected = (values: number[][]) =>
    values.reduce((sum, row, index) => sum + raised[name](row, labels[index] ?? 0), 0);
  const computed = () =>
    scope(() => {
      const logits = tensor(Float32Array.from(rows.flat()), [3, 3], 'float32');
      const given = tensor(Int32Array.from(labels), [3], 'int32');
      const { result, gradients } = valueAndGradients({ logits }, () => ({
        loss: objectives[name](logits, given),
      }));
      return { value: read(result.loss)[0], gradient: Array.from(read(gradients['logits'] ?? logits)) };
    });

  it('is the formula, summed over the batch', () => {
    expect(computed().value).toBeCloseTo(expected(rows), 5);
  });

  it('has the gradient of the formula', () => {
    const { gradient } = computed();
    const h = 1e-5;
    rows.forEach((row, image) => {
      row.forEach((logit, column) => {
        const shifted = (by: number) =>
          rows.map((other, index) => (index === image ? other.with(column, logit + by) : other));
        const difference = (expected(shifted(h)) - expected(shifted(-h))) / (2 * h);
        expect(gradient[image * 3 + column]).toBeCloseTo(difference, 4);
      });
    });
  });
});

const size = 32;
const set = patternImages(21, size, 9);
const epsilon = 8 / 255;

describe.each(attackNames)('%s', (name) => {
  const { model, weights } = drawnModel(tinyVgg, size, 4);
  let opened: OpenedAttack;
  beforeAll(() => {
    opened = openAttack(model, weights, { size, channels: 1 });
  });
  afterAll(() => {
    opened.session.dispose();
  });
  const run = runOf(name, epsilon);
  const eight = picturesOf(set, 0, 8);

  it('stays inside the ball and the range, and moves pictures', async () => {
    await opened.attacker.once(eight, run, 1);
    const attacked = opened.attacker.attacked(8);
    const moves = attacked.map((value, at) => Math.abs(value - (eight.pixels[at] ?? 0) / 255));
    expect(Math.max(...moves)).toBeLessThanOrEqual(epsilon + 1e-6);
    expect(Math.max(...moves)).toBeGreaterThan(epsilon * 0.99);
    expect(Math.min(...attacked)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...attacked)).toBeLessThanOrEqual(1);
  });

  it('clips pictures at both ends of the range', async () => {
    const pixels = eight.pixels.map((_, at) => (at % 2 === 0 ? 0 : 255));
    await opened.attacker.once({ ...eight, pixels }, run, 1);
    const attacked = opened.attacker.attacked(8);
    expect(Math.min(...attacked)).toBe(0);
    expect(Math.max(...attacked)).toBe(1);
  });

  it('raises what it is to raise, and never the accuracy of pictures that are right', async () => {
    const clean = await opened.attacker.load(eight.pixels);
    const labels = Int32Array.from({ length: 8 }, (_, image) => {
      const row = clean.subarray(image * 7, image * 7 + 7);
      return row.indexOf(Math.max(...row));
    });
    const pictures = { ...eight, labels };
    expect(Array.from(rightOf(clean, labels))).toEqual(new Array(8).fill(1));
    const after = await opened.attacker.once(pictures, run, 1);
    const total = (logits: Float32Array) =>
      Array.from(labels, (label, image) =>
        raised[attacks[name].objective](Array.from(logits.subarray(image * 7, image * 7 + 7)), label),
      ).reduce((sum, value) => sum + value, 0);
    expect(total(after)).toBeGreaterThan(total(clean));
    const { survived } = await opened.attacker.attack(pictures, run, 1);
    expect(Array.from(survived)).toEqual(Array.from(rightOf(after, labels)));
  });

  it('is the same for the same seed, and another for another where it draws', async () => {
    const pictures = async (seed: number, restart = 0) => {
      await opened.attacker.once(eight, run, seed, restart);
      return opened.attacker.attacked(8);
    };
    const first = await pictures(1);
    expect(await pictures(1)).toEqual(first);
    for (const other of [await pictures(2), await pictures(1, 1)])
      if (attacks[name].start === 'uniform') expect(other).not.toEqual(first);
      else expect(other).toEqual(first);
  });

  it('treats a picture alike whatever its batch: alone, or in a last partial one', async () => {
    await opened.attacker.once(eight, run, 1);
    const together = opened.attacker.attacked(8);
    const values = size * size;
    for (const [from, to] of [
      [0, 1],
      [5, 8],
    ] as const) {
      const logits = await opened.attacker.once(picturesOf(set, from, to), run, 1);
      expect(logits).toHaveLength((to - from) * 7);
      const apart = opened.attacker.attacked(to - from);
      const same = apart.filter((value, at) => value === together[from * values + at]).length;
      // A gradient that all but vanishes may round to the other sign beside other pictures.
      expect(same / apart.length).toBeGreaterThan(0.99);
    }
  });

  it('agrees with eager execution at a fixed picture', async () => {
    const eager = openAttack(model, weights, { size, channels: 1 }, { execution: 'eager' });
    await opened.attacker.once(eight, run, 1);
    const fixed = opened.attacker.attacked(8);
    const gradients = [];
    const steps = [];
    for (const { session, attacker } of [opened, eager]) {
      await attacker.load(eight.pixels);
      session.write('attack', { attacked: fixed });
      const { labels } = eight;
      gradients.push(Float32Array.from(session.run('gradient', { labels })['gradient'] ?? []));
      const step = { epsilon: Float32Array.of(epsilon), stepSize: Float32Array.of(0.004) };
      session.run(`raise-${attacks[name].objective}`, { labels, ...step });
      steps.push(attacker.attacked(8));
    }
    eager.session.dispose();
    const [captured = new Float32Array(), reference = new Float32Array()] = gradients;
    const scale = Math.max(...reference.map(Math.abs));
    expect(Math.max(...captured.map((value, at) => Math.abs(value - (reference[at] ?? 0))))).toBeLessThan(
      scale * 1e-4,
    );
    const [a = new Float32Array(), b = new Float32Array()] = steps;
    const apart = a.filter((value, at) => Math.abs(value - (b[at] ?? 0)) > 1e-6).length;
    expect(apart / a.length).toBeLessThan(1e-3);
  });
});

/** Logits A x + b of a picture's values: an attack's optimum is at a corner of ball and range. */
function linearModel(classes: number): Model {
  return defineModel((at) => {
    const layer = linear(at, { inputs: 4, outputs: classes });
    return (x, pass) => layer(reshape(x, [x.size(0), 4]), pass);
  });
}

// With two classes the gradient's sign is the same everywhere, so that a single step is enough; with three it is not.
const linearCases = attackNames.flatMap((name) =>
  (name === 'fgsm' ? [2] : [2, 3]).map((classes) => ({ name, classes })),
);

describe.each(linearCases)('$name on a linear model of $classes classes', ({ name, classes }) => {
  const A = [
    [1.5, -2, 0.5, 0.25],
    [-1, 0.75, 2, -0.5],
    [0.2, 1, -1.2, 1.7],
  ].slice(0, classes);
  const bias = [0.1, -0.2, 0.05].slice(0, classes);
  const pixels = Uint8Array.of(0, 250, 100, 30, 200, 90, 128, 255);
  const labels = Int32Array.of(0, classes - 1);
  const radius = 0.1;
  const logitsOf = (x: readonly number[]) =>
    A.map((row, index) => row.reduce((sum, w, at) => sum + w * (x[at] ?? 0), bias[index] ?? 0));

  it('reaches the best of all corners of ball and range', async () => {
    const weight = A[0]?.flatMap((_, input) => A.map((row) => row[input] ?? 0)) ?? [];
    const opened = openAttack(
      linearModel(classes),
      { weight: Float32Array.from(weight), bias: Float32Array.from(bias) },
      { size: 2, channels: 1 },
      { batch: 2, normalisation: { mean: 0, std: 1 } },
    );
    const objective = raised[attacks[name].objective];
    const pictures = { pixels, labels, places: [0, 1] };
    const logits = await opened.attacker.once(pictures, runOf(name, radius, 20), 3);
    opened.session.dispose();
    labels.forEach((label, image) => {
      const x = Array.from(pixels.subarray(image * 4, image * 4 + 4), (value) => value / 255);
      const corners = Array.from({ length: 16 }, (_, corner) =>
        x.map((value, at) => Math.min(1, Math.max(0, value + ((corner >> at) % 2 === 1 ? radius : -radius)))),
      );
      const best = Math.max(...corners.map((corner) => objective(logitsOf(corner), label)));
      const row = Array.from(logits.subarray(image * classes, (image + 1) * classes));
      expect(objective(row, label)).toBeCloseTo(best, 5);
    });
  });
});

describe('the check of every batch', () => {
  const found = (distance: number, lowest = 0, highest = 1) => ({
    distance: [distance],
    lowest: [lowest],
    highest: [highest],
  });

  it('lets rounding pass and nothing else', () => {
    verifyInside(found(0.1 + 5e-7), 0.1, 'pgd');
    expect(() => {
      verifyInside(found(0.10001), 0.1, 'pgd');
    }).toThrow('pgd: the attacked pictures are up to');
    expect(() => {
      verifyInside(found(0.1, -0.01), 0.1, 'pgd');
    }).toThrow('span -0.01 to 1');
    expect(() => {
      verifyInside(found(0.1, 0, 1.01), 0.1, 'pgd');
    }).toThrow('span 0 to 1.01');
    expect(() => {
      verifyInside(found(Number.NaN), 0.1, 'pgd');
    }).toThrow('expected at most 0.1');
    expect(() => {
      verifyInside({}, 0.1, 'pgd');
    }).toThrow('expected at most 0.1');
  });
});

describe('the random start', () => {
  it('is uniform in the ball, and follows from seed, restart and place alone', () => {
    const noise = startNoise(1, 0, [5, 6], 5000);
    expect(Math.min(...noise)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...noise)).toBeLessThan(1);
    expect(noise.reduce((sum, value) => sum + value, 0) / 10_000).toBeCloseTo(0, 1);
    expect(noise.reduce((sum, value) => sum + value * value, 0) / 10_000).toBeCloseTo(1 / 3, 1);
    expect(startNoise(1, 0, [6], 5000)).toEqual(noise.slice(5000));
    expect(noise.slice(0, 5000)).not.toEqual(noise.slice(5000));
  });
});

describe('rightOf', () => {
  it('takes the first of equal logits and refuses what is not finite', () => {
    expect(Array.from(rightOf(Float32Array.of(1, 1, 0, 0, 2, 2), Int32Array.of(0, 2)))).toEqual([1, 0]);
    expect(() => rightOf(Float32Array.of(1, Number.NaN), Int32Array.of(0))).toThrow('not finite');
  });
});
