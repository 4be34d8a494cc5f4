import { adversarialMethodSpec, distillMethodSpec, type JobParams } from '@ferment/contracts';
import { describe, expect, it, jest } from '@jest/globals';
import { readSafetensors } from '../src/files/safetensors.js';
import { runRobustness } from '../src/robustness/index.js';
import { classification, pgdAt, trades, type TaskStep } from '../src/tasks/index.js';
import { describeTraining, openScorer, TrainingStopped, type TrainingInputs } from '../src/train/index.js';
import { hostOf } from '../src/train/describe.js';
import { openSession, writeFixed, writeFresh, type OpenedSession } from '../src/train/session.js';
import { read, scope, tensor, type Tensor } from '../src/tensor/index.js';
import {
  Collected,
  initialWeights,
  smallJob,
  tinyVgg,
  trained,
  type TrainOverrides,
} from './support/training.js';

jest.setTimeout(300_000);

type Method = JobParams<'adversarial'>['method'];
const methods: Method[] = [
  adversarialMethodSpec.parse({
    name: 'pgd-at',
    epsilon: '8/255',
    steps: 3,
    stepSize: '4/255',
    validationSteps: 3,
  }),
  adversarialMethodSpec.parse({
    name: 'trades',
    epsilon: '8/255',
    steps: 3,
    stepSize: '4/255',
    validationSteps: 3,
  }),
];

/** An adversarial job that goes on from drawn weights. */
function adversarialJob(method: Method, wanted: Parameters<typeof smallJob>[0] = {}): TrainingInputs {
  const job = smallJob({ start: initialWeights(wanted.model ?? tinyVgg, 9), ...wanted });
  return { ...job, params: { ...job.params, method }, method: 'adversarial' };
}

const rows3 = (values: number[][]) => tensor(Float32Array.from(values.flat()), [values.length, 3], 'float32');

describe('the losses', () => {
  const clean = [
    [1, -0.5, 0.25],
    [0.1, 2, -1],
  ];
  const attacked = [
    [0.5, 0.75, 0.25],
    [-0.5, 1.5, 1.75],
  ];
  const softmax = (row: number[]) => {
    const powers = row.map(Math.exp);
    return powers.map((power) => power / powers.reduce((sum, value) => sum + value, 0));
  };
  const crossEntropy = (rows: number[][]) =>
    rows.reduce((sum, row, image) => sum - Math.log(softmax(row)[image] ?? Number.NaN), 0) / rows.length;
  const divergence =
    clean.reduce((sum, row, image) => {
      const [p, q] = [softmax(row), softmax(attacked[image] ?? [])];
      return sum + p.reduce((part, value, at) => part + value * Math.log(value / (q[at] ?? Number.NaN)), 0);
    }, 0) / 2;
  const loss = (task: ReturnType<typeof pgdAt>) =>
    scope(() => {
      const step: TaskStep = {
        batch: {
          images: rows3(clean),
          labels: tensor(Int32Array.of(0, 1), [2], 'int32'),
          indices: tensor(Int32Array.of(0, 1), [2], 'int32'),
          updateLabels: tensor(Int32Array.of(0, 1), [2], 'int32'),
        },
        student: (x: Tensor) => x,
        attacked: { images: rows3(attacked), studentApart: (x: Tensor) => x },
        teachers: [],
        tables: {},
        inputs: {},
      };
      return read(task.compute(step).loss)[0];
    });
  const labels = classification({ classes: 3, labelSmoothing: 0, rebalance: null });

  it('of PGD-AT is the cross entropy of the attacked pictures', () => {
    expect(loss(pgdAt(labels))).toBeCloseTo(crossEntropy(attacked), 5);
  });

  it("of TRADES is the cross entropy of the clean ones + beta KL(p(x) || p(x'))", () => {
    expect(loss(trades(labels, 0))).toBeCloseTo(crossEntropy(clean), 5);
    expect(loss(trades(labels, 6))).toBeCloseTo(crossEntropy(clean) + 6 * divergence, 5);
  });
});

/** A session of a job before its first update. */
function fresh(job: TrainingInputs, execution: 'captured' | 'eager' = 'captured'): OpenedSession {
  const program = describeTraining(job);
  const opened = openSession(program, execution);
  writeFixed(opened.session, program, job, hostOf(job, program.task, { steps: 1, stepsPerEpoch: 1 }).tables);
  writeFresh(opened.session, program, job);
  return opened;
}

const indices = Int32Array.of(0, 1, 2, 3, 4, 5, 6, 7);
const key = Int32Array.of(3, 0);
const rates = {
  learningRate: Float32Array.of(0.05),
  correction1: Float32Array.of(1),
  correction2: Float32Array.of(1),
};
const still: TrainOverrides = { augment: 'none' };

function buffers({ session }: OpenedSession): Record<string, Float32Array> {
  const values = Object.entries(session.read('model')).filter(([name]) => name.includes('running_'));
  return Object.fromEntries(values.map(([name, data]) => [name, Float32Array.from(data)]));
}

describe.each(methods)('an update of $name', (method) => {
  it("agrees with eager execution on the same x and x'", () => {
    const job = adversarialJob(method, { train: { ...still, updates: 1 } });
    const [captured, eager] = [fresh(job), fresh(job, 'eager')];
    captured.adversarial?.run('inner-start', { indices, key, epsilon: Float32Array.of(0.03) });
    const held = captured.session.read('inner');
    const results = [captured, eager].map(({ session }) => {
      session.write('inner', held);
      const { loss } = session.run('train', { indices, key, ...rates });
      const model = session.read('model');
      session.dispose();
      return { loss: loss?.[0] ?? Number.NaN, model };
    });
    const [a, b] = results;
    expect(Math.abs((a?.loss ?? Number.NaN) / (b?.loss ?? Number.NaN) - 1)).toBeLessThan(1e-5);
    for (const [name, values] of Object.entries(a?.model ?? {}))
      values.forEach((value, at) => {
        expect(Math.abs(value - Number(b?.model[name]?.[at]))).toBeLessThan(1e-5);
      });
  });

  it("takes batch-norm statistics from one pass alone: of x for TRADES, of x' for PGD-AT", () => {
    const adversarial = fresh(adversarialJob(method, { train: { ...still, updates: 1 } }));
    const attack = adversarial.adversarial;
    attack?.run('inner-start', { indices, key, epsilon: Float32Array.of(0.1) });
    const step = { indices, epsilon: Float32Array.of(0.1), stepSize: Float32Array.of(0.1) };
    attack?.run('inner-step', step);
    const held = adversarial.session.read('inner');
    adversarial.session.run('train', { indices, key, ...rates });
    const found = buffers(adversarial);
    adversarial.session.dispose();

    // The same pictures, as a training without attacks sees them.
    const seen = held[method.name === 'trades' ? 'picture' : 'attacked'] ?? [];
    const job = adversarialJob(methods[0] ?? method, { train: { ...still, updates: 1 } });
    const reference = fresh(job);
    reference.session.write('inner', { picture: Float32Array.from(seen), attacked: Float32Array.from(seen) });
    reference.session.run('train', { indices, key, ...rates });
    const expected = buffers(reference);
    reference.session.dispose();
    for (const [name, values] of Object.entries(expected))
      values.forEach((value, at) => {
        expect(found[name]?.[at]).toBeCloseTo(value, 5);
      });
  });
});

describe.each(methods)('a training by $name', (method) => {
  it('reports epsilon and robust validation accuracy, and keeps the most robust weights', async () => {
    const job = adversarialJob({ ...method, ramp: 1 }, { train: { epochs: 3 } });
    const { rows, result } = await trained(job);
    // Over the first epoch's five updates epsilon rises to its full value.
    const radii = rows.map(({ values }) => values['train.epsilon'] ?? Number.NaN);
    radii.forEach((radius, step) => {
      expect(radius).toBeCloseTo((8 / 255) * Math.min(1, (step + 1) / 5), 7);
    });
    const robust = result.curve.map(({ values }) => values['validation.robustAccuracy'] ?? Number.NaN);
    expect(robust).toHaveLength(3);
    result.curve.forEach(({ values }, epoch) => {
      expect(robust[epoch]).toBeLessThanOrEqual(values['validation.accuracy'] ?? Number.NaN);
    });
    const { metadata } = readSafetensors(result.robust ?? new Uint8Array());
    const scalars = JSON.parse(metadata['ferment'] ?? '{}') as { step: number; robust: { metric: number } };
    expect(scalars.robust.metric).toBe(Math.max(...robust));
    expect(scalars.step).toBe(5 * (1 + robust.indexOf(Math.max(...robust))));
  });

  it('ends with the same bits when it is stopped and goes on, wherever that is', async () => {
    const job = adversarialJob(method, { train: { epochs: 2 } });
    const whole = await trained(job, { checkpointEverySteps: 3 });
    // One within an epoch, one at its end, whose evaluation is then done again.
    expect(whole.checkpoints.map(({ step }) => step)).toEqual([3, 5, 6, 9, 10]);
    for (const { bytes } of whole.checkpoints.filter(({ step }) => step === 3 || step === 5)) {
      const { result } = await trained({ ...job, resume: bytes });
      expect(result.last).toEqual(whole.result.last);
      expect(result.best).toEqual(whole.result.best);
      expect(result.robust).toEqual(whole.result.robust);
    }
    const stopping = new AbortController();
    const collected = new Collected();
    const run = trained(
      job,
      { signal: stopping.signal, onRow: ({ step }) => step === 2 && stopping.abort() },
      collected,
    );
    await expect(run).rejects.toBeInstanceOf(TrainingStopped);
    const resumed = await trained({ ...job, resume: collected.checkpoints.at(-1)?.bytes ?? null });
    expect(resumed.result.robust).toEqual(whole.result.robust);
    expect(resumed.result.last).toEqual(whole.result.last);
  });

  it.each(['bfloat16', 'float16'] as const)(
    'attacks as in float32 when the update is in %s',
    async (precision) => {
      const losses = async (chosen: 'float32' | typeof precision) => {
        const { rows } = await trained(adversarialJob(method, { train: { updates: 2, precision: chosen } }));
        return rows.map(({ values }) => values['train.loss'] ?? Number.NaN);
      };
      const [full, mixed] = [await losses('float32'), await losses(precision)];
      mixed.forEach((loss, at) => expect(loss / (full[at] ?? Number.NaN)).toBeCloseTo(1, 1));
      expect(mixed).not.toEqual(full);
    },
  );

  it('makes a network that withstands more than its start', async () => {
    const start = await trained(smallJob({ images: 140, train: { epochs: 4, ...still } }));
    const epsilon = 40 / 255;
    const strong = { ...method, epsilon, stepSize: epsilon / 2 };
    const job = adversarialJob(strong, {
      images: 140,
      start: start.result.last,
      train: { epochs: 4, ...still },
    });
    const { curve } = (await trained(job)).result;
    const before = await robustness(start.result.last, job, epsilon);
    const after = curve.at(-1)?.values['validation.robustAccuracy'] ?? Number.NaN;
    expect(before).toBeLessThan(0.2);
    expect(after).toBeGreaterThan(0.6);
  });
});

async function robustness(weights: Uint8Array, { data }: TrainingInputs, epsilon: number): Promise<number> {
  const { validation, mean, std } = data;
  const indices = Int32Array.from({ length: validation.count }, (_, at) => at);
  const attacks = [{ pgd: { epsilon: [epsilon], steps: 3, restarts: 1 } }];
  const { result } = await runRobustness(
    {
      model: tinyVgg,
      weights,
      test: { ...validation, indices, places: indices },
      mean,
      std,
      spec: { attackImages: 1000, attacks, corruptions: null, latency: false },
      seed: 3,
      threads: 1,
      resume: null,
    },
    { signal: new AbortController().signal, checkpoint: () => Promise.resolve(), progress: () => undefined },
  );
  return result.attacks[0]?.accuracy ?? Number.NaN;
}

describe.each(['trades', 'rslad'] as const)('a distillation with %s in its loss', (term) => {
  const attack = { term, stepSize: '4/255', steps: 3, validationSteps: 3 };
  const taught = (adversarial: object = attack, train: TrainOverrides = {}) =>
    smallJob({
      teachers: [tinyVgg, { name: 'vgg', width: 0.125, dropout: 0 }],
      // Equal weights, so that the teachers' mixture is the mean of what they say.
      method: distillMethodSpec.parse({
        name: 'eadd',
        classStrength: false,
        reliability: false,
        adversarial,
      }),
      train: { ...still, updates: 1, ...train },
    });
  const gains = new Float32Array(7).fill(1);
  const update = { indices, key, ...rates, gains };
  const radius = Float32Array.of(0.03);
  const steps = { indices, epsilon: radius, stepSize: radius };

  it("agrees with eager execution on the same x and x'", () => {
    const [captured, eager] = [fresh(taught()), fresh(taught(), 'eager')];
    captured.adversarial?.run('inner-start', { indices, key, epsilon: radius });
    captured.adversarial?.run('inner-step', steps);
    const held = captured.session.read('inner');
    const [a, b] = [captured, eager].map(({ session }) => {
      session.write('inner', held);
      const { loss, adversarial } = session.run('train', update);
      const model = session.read('model');
      session.dispose();
      return { figures: [loss?.[0] ?? Number.NaN, adversarial?.[0] ?? Number.NaN], model };
    });
    expect(a?.figures[1]).toBeGreaterThan(0);
    a?.figures.forEach((figure, at) => {
      expect(Math.abs(figure / (b?.figures[at] ?? Number.NaN) - 1)).toBeLessThan(1e-5);
    });
    for (const [name, values] of Object.entries(a?.model ?? {}))
      values.forEach((value, at) => {
        expect(Math.abs(value - Number(b?.model[name]?.[at]))).toBeLessThan(1e-5);
      });
  });

  it('takes batch-norm statistics from the clean pass alone, and its parameters follow the term', () => {
    const models = [0, 1].map((weight) => {
      const { session, adversarial } = fresh(taught({ ...attack, weight }));
      adversarial?.run('inner-start', { indices, key, epsilon: radius });
      adversarial?.run('inner-step', steps);
      session.run('train', update);
      const found = { statistics: buffers({ session, adversarial }), model: session.read('model') };
      session.dispose();
      return found;
    });
    const [without, having] = models;
    expect(having?.statistics).toEqual(without?.statistics);
    expect(having?.model).not.toEqual(without?.model);

    // The same pictures, as a distillation without attacks sees them.
    const plain = smallJob({
      teachers: [tinyVgg],
      method: distillMethodSpec.parse({ name: 'kd' }),
      train: { ...still, updates: 1 },
    });
    const reference = fresh(plain);
    reference.session.run('train', { indices, key, ...rates });
    for (const [name, values] of Object.entries(buffers(reference)))
      values.forEach((value, at) => {
        expect(having?.statistics[name]?.[at]).toBeCloseTo(value, 5);
      });
    reference.session.dispose();
  });

  it('tells of the term and of robust validation accuracy, and has the outputs of any distillation', async () => {
    // Two epochs of five updates.
    const { rows, result } = await trained(taught({ ...attack, ramp: 1 }, { updates: 10 }));
    rows.forEach(({ values }, step) => {
      expect(values['train.adversarial']).toBeGreaterThanOrEqual(0);
      expect(values['train.epsilon']).toBeCloseTo((8 / 255) * Math.min(1, (step + 1) / 5), 7);
      const [label = 0, distilled = 0, robust = 0] = ['crossEntropy', 'distillation', 'adversarial'].map(
        (name) => values[`train.${name}`] ?? Number.NaN,
      );
      expect(values['train.loss']).toBeCloseTo(0.1 * label + 0.9 * distilled + robust, 4);
    });
    expect(result.curve).toHaveLength(2);
    for (const { values } of result.curve)
      expect(values['validation.robustAccuracy']).toBeLessThanOrEqual(
        values['validation.accuracy'] ?? Number.NaN,
      );
    expect(result.robust).toBeNull();
    expect(Object.keys(readSafetensors(result.last).tensors).some((name) => name.startsWith('robust.'))).toBe(
      false,
    );
  });
});

describe('a distillation with RSLAD in its loss', () => {
  it("moves the student away from the calibrated teachers' mixture of x", async () => {
    const job = smallJob({
      teachers: [tinyVgg, { name: 'vgg', width: 0.125, dropout: 0 }],
      method: distillMethodSpec.parse({
        name: 'eadd',
        classStrength: false,
        reliability: false,
        adversarial: { term: 'rslad' },
      }),
      train: still,
    });
    const { session, adversarial } = fresh(job);
    adversarial?.run('inner-start', { indices, key, epsilon: Float32Array.of(0.03) });
    const held = Float32Array.from(session.read('inner')['clean'] ?? []);
    session.dispose();

    const { train, mean, std } = job.data;
    const count = indices.length;
    const first = { ...train, count, pixels: train.pixels.subarray(0, count * train.size ** 2) };
    const expected = new Array<number>(count * 7).fill(0);
    for (const teacher of job.teachers) {
      const scorer = openScorer(teacher, first, { mean, std });
      const logits = await scorer.logits(first, new AbortController().signal);
      scorer.dispose();
      const powers = logits.map((logit) => Math.exp(logit / (teacher.temperature ?? Number.NaN)));
      powers.forEach((power, at) => {
        const from = at - (at % 7);
        const total = powers.subarray(from, from + 7).reduce((sum, other) => sum + other, 0);
        expected[at] = (expected[at] ?? 0) + power / total / 2;
      });
    }
    expect(held).toHaveLength(expected.length);
    held.forEach((share, at) => {
      expect(share).toBeCloseTo(expected[at] ?? Number.NaN, 5);
    });
  });
});

describe('an adversarial job', () => {
  it('needs an adversarial method', async () => {
    const job: TrainingInputs = { ...smallJob(), method: 'adversarial' };
    await expect(trained(job)).rejects.toMatchObject({ failureClass: 'user' });
  });
});
