import { describe, expect, it, jest } from '@jest/globals';
import { distillMethodSpec, JobFailure } from '@ferment/contracts';
import { readSafetensors } from '../src/files/safetensors.js';
import { runEvaluation, TrainingStopped } from '../src/train/index.js';
import { patternImages } from './support/pattern-images.js';
import { resumesAlike } from './support/resumed.js';
import {
  Collected,
  everyOption,
  initialWeights,
  size,
  smallJob,
  timeless,
  tinyVgg,
  trained,
} from './support/training.js';

// Seconds of computing each, more on a busy machine.
jest.setTimeout(120_000);

const adamw = { name: 'adamw', lr: 1e-3, betas: [0.9, 0.999], epsilon: 1e-8, weightDecay: 0.05 } as const;
const optimizers = [
  { optimizer: smallJob().params.train.optimizer },
  { optimizer: { ...adamw, betas: [0.9, 0.999] as [number, number] } },
];

describe('a training run', () => {
  it('learns what can be learnt', async () => {
    const { result, rows } = await trained(
      smallJob({ images: 140, train: { epochs: 6, batch: 20, augment: 'flip' } }),
    );
    expect(rows[0]?.values['train.loss']).toBeGreaterThan(1.5);
    expect(result.bestMetric).toBeGreaterThan(0.8);
  });

  it('tells one row for every update, validation figures at the end of each epoch', async () => {
    const { result, rows, checkpoints } = await trained(smallJob());
    expect(rows.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(rows.map(({ epoch }) => epoch)).toEqual([0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2]);
    for (const { step, values } of rows) {
      expect(Number.isFinite(values['train.loss'])).toBe(true);
      expect('validation.macroF1' in values).toBe(step % 5 === 0);
    }
    expect(
      Object.keys(rows[4]?.values ?? {}).filter((name) => name.startsWith('validation.f1.')),
    ).toHaveLength(7);
    expect(result.curve.map(({ step }) => step)).toEqual([5, 10]);
    expect(checkpoints.map(({ step }) => step)).toEqual([5, 10]);
  });

  it('runs for a number of updates, with a last evaluation in mid-epoch', async () => {
    const { result, rows } = await trained(smallJob({ train: { updates: 7 } }));
    expect(result.steps).toBe(7);
    expect(rows.filter(({ values }) => 'validation.nll' in values).map(({ step }) => step)).toEqual([5, 7]);
  });

  it('keeps the weights of the best epoch, not of the last', async () => {
    const { result, rows } = await trained(smallJob({ train: { epochs: 4 } }));
    const scores = rows.flatMap(({ step, values }) => {
      const score = values['validation.macroF1'];
      return score === undefined || score === null ? [] : [{ step, score }];
    });
    const best = scores.reduce((most, next) => (next.score > most.score ? next : most));
    expect(result.bestStep).toBe(best.step);
    expect(result.bestMetric).toBe(best.score);
    const { mean, std, validation } = smallJob().data;
    const evaluated = await runEvaluation({
      model: tinyVgg,
      weights: result.best,
      data: { validation, test: validation },
      mean,
      std,
      signal: new AbortController().signal,
    });
    expect(evaluated.metrics.validation?.macroF1).toBe(best.score);
  });

  it('names its files as torchvision does and says in them where they come from', async () => {
    const { result } = await trained(smallJob());
    const best = readSafetensors(result.best);
    expect(best.tensors['features.1.0.weight']?.shape).toEqual([8, 8, 3, 3]);
    expect(Object.keys(best.tensors).some((name) => name.startsWith('optimizer.'))).toBe(false);
    const scalars = JSON.parse(best.metadata['ferment'] ?? '') as Record<string, unknown>;
    expect(scalars).toMatchObject({
      kind: 'best',
      model: tinyVgg,
      step: result.bestStep,
      mean: 0.5,
      std: 0.25,
      seed: 3,
    });
    const last = readSafetensors(result.last).tensors;
    expect(last['optimizer.momentum_buffer.features.1.0.weight']?.shape).toEqual([8, 8, 3, 3]);
  });

  it('starts from given weights', async () => {
    const start = initialWeights(tinyVgg, 5);
    const frozen = { name: 'sgd', lr: 1e-30, momentum: 0, nesterov: false, weightDecay: 0 } as const;
    const { result } = await trained(smallJob({ start, train: { optimizer: frozen, updates: 1 } }));
    const [before, after] = [readSafetensors(start).tensors, readSafetensors(result.last).tensors];
    expect(after['features.0.0.weight']).toEqual(before['features.0.0.weight']);
  });

  it('takes pictures with three channels', async () => {
    const job = smallJob({ train: { updates: 2 } });
    const coloured = (set: typeof job.data.train) => ({
      ...set,
      channels: 3,
      pixels: new Uint8Array(set.pixels.length * 3).map((_, at) => set.pixels[Math.floor(at / 3)] ?? 0),
    });
    const data = { ...job.data, train: coloured(job.data.train), validation: coloured(job.data.validation) };
    const { result } = await trained({ ...job, data });
    expect(readSafetensors(result.best).tensors['features.0.0.weight']?.shape).toEqual([8, 3, 3, 3]);
  });

  it('changes every parameter', async () => {
    const { result } = await trained(smallJob({ train: { updates: 2 } }));
    const start = await trained(
      smallJob({
        train: {
          updates: 1,
          optimizer: { name: 'sgd', lr: 1e-30, momentum: 0, nesterov: false, weightDecay: 0 },
        },
      }),
    );
    const before = readSafetensors(start.result.last).tensors;
    for (const [name, { data }] of Object.entries(readSafetensors(result.best).tensors))
      expect([name, data]).not.toEqual([name, before[name]?.data]);
  });
});

describe.each(optimizers)('with $optimizer.name', ({ optimizer }) => {
  it('gives the same bits for the same seed, and others for another', async () => {
    const job = (seed: number) => smallJob({ seed, train: { optimizer } });
    const [first, second, third] = [await trained(job(3)), await trained(job(3)), await trained(job(4))];
    expect(Buffer.compare(first.result.best, second.result.best)).toBe(0);
    expect(Buffer.compare(first.result.last, second.result.last)).toBe(0);
    expect(first.rows.map(timeless)).toEqual(second.rows.map(timeless));
    expect(Buffer.compare(first.result.last, third.result.last)).not.toBe(0);
  });

  it.each([3, 5, 8])('resumes after step %d to the same bits, with one row for every step', (stop) =>
    resumesAlike(smallJob({ train: { optimizer, epochs: 3 } }), stop),
  );
});

const small = { name: 'vgg', width: 0.125, dropout: 0 } as const;
const tasks = [
  ...(['class-weights', 'balanced-sampler'] as const).map((method) => ({
    task: method,
    job: { train: { rebalance: { method } } },
  })),
  ...[
    { name: 'average', calibrated: true },
    { name: 'best' },
    { name: 'ca-mkd' },
    { name: 'ebkd' },
    { name: 'dkd' },
    { name: 'eadd' },
    { name: 'eadd', target: 'dkd', labelFree: true, gamma: 3 },
  ].map((method) => ({
    task: Object.values(method).join(' '),
    job: {
      teachers: [tinyVgg, small],
      method: distillMethodSpec.parse(method),
      train: { rebalance: { method: 'class-weights' as const } },
    },
  })),
  {
    task: 'eadd with a balanced sampler',
    job: {
      teachers: [tinyVgg, small],
      method: distillMethodSpec.parse({ name: 'eadd' }),
      train: { rebalance: { method: 'balanced-sampler' as const } },
    },
  },
  { task: 'all options of a training at once', job: { train: everyOption } },
  {
    task: 'eadd with attacks',
    job: {
      teachers: [tinyVgg, small],
      method: distillMethodSpec.parse({
        name: 'eadd',
        adversarial: { term: 'rslad', steps: 2, ramp: 2, validationSteps: 2 },
      }),
    },
  },
];

describe.each(tasks)('a run of $task', ({ job: wanted }) => {
  // In mid-epoch and at the end of one, before its evaluation has changed what the task learnt.
  it.each([6, 8])('stopped after step %d resumes to the same bits and rows', (stop) =>
    resumesAlike(smallJob({ ...wanted, train: { ...wanted.train, epochs: 3, batch: 10 } }), stop),
  );
});

describe('a run stopped within an evaluation', () => {
  // 300 pictures are three batches: the signal comes from a timer's turn between two of them.
  const job = (resume?: Uint8Array) => {
    const small = smallJob({ train: { epochs: 2 }, ...(resume ? { resume } : {}) });
    return { ...small, data: { ...small.data, validation: patternImages(300, size, 2) } };
  };

  it.each([5, 10])(
    'after update %d repeats no update: it evaluates again, to the same rows and bits',
    async (at) => {
      const whole = await trained(job());
      const controller = new AbortController();
      const collected = new Collected();
      const onCheckpoint = ({ step }: { step: number }) => {
        if (step === at) setImmediate(() => controller.abort());
      };
      const interrupted = trained(job(), { signal: controller.signal, onCheckpoint }, collected);
      await expect(interrupted).rejects.toMatchObject({ name: 'TrainingStopped', step: at });
      expect(collected.rows.at(-1)?.step).toBe(at - 1);
      expect(collected.checkpoints.at(-1)?.step).toBe(at);

      const resume = collected.checkpoints.at(-1)?.bytes;
      // Stopped once more, before the evaluation begins: the checkpoint stands.
      await expect(trained(job(resume), { signal: AbortSignal.abort() })).rejects.toMatchObject({ step: at });
      const resumed = await trained(job(resume));
      expect([...collected.rows, ...resumed.rows].map(timeless)).toEqual(whole.rows.map(timeless));
      expect(Buffer.compare(resumed.result.best, whole.result.best)).toBe(0);
      expect(Buffer.compare(resumed.result.last, whole.result.last)).toBe(0);
      expect(resumed.result.curve.map(timeless)).toEqual(whole.result.curve.map(timeless));
    },
  );
});

describe('a run that cannot go on', () => {
  it('diverges after some updates, and every checkpoint it handed out is finite', async () => {
    // The learning rate rises through the warmup until an update overflows.
    const optimizer = { name: 'sgd', lr: 1e12, momentum: 0.9, nesterov: true, weightDecay: 1e-3 } as const;
    const schedule = { name: 'constant', warmup: 1 } as const;
    const collected = new Collected();
    const run = trained(
      smallJob({ train: { epochs: 4, optimizer, schedule } }),
      { checkpointEverySteps: 1 },
      collected,
    );
    await expect(run).rejects.toMatchObject({
      failureClass: 'diverged',
      message: expect.stringMatching(/^diverged at step \d+: .*; try a lower learning rate$/),
      details: { step: expect.any(Number) },
    });
    const failedAt = await run.then(
      () => 0,
      (error: { details: { step: number } }) => error.details.step,
    );
    expect(failedAt).toBeGreaterThan(1);
    expect(collected.checkpoints.map(({ step }) => step)).toEqual(
      Array.from({ length: failedAt - 1 }, (_, index) => index + 1),
    );
    for (const { bytes } of collected.checkpoints)
      for (const { data } of Object.values(readSafetensors(bytes).tensors))
        expect((data as Float32Array).every(Number.isFinite)).toBe(true);
  });

  it('reports divergence with the step', async () => {
    const optimizer = { name: 'sgd', lr: 1e30, momentum: 0.9, nesterov: true, weightDecay: 0 } as const;
    const run = trained(smallJob({ train: { optimizer, schedule: { name: 'constant', warmup: 0 } } }));
    await expect(run).rejects.toMatchObject({
      failureClass: 'diverged',
      message: expect.stringMatching(/^diverged at step \d+/),
    });
    await expect(run).rejects.toBeInstanceOf(JobFailure);
  });

  it('refuses a batch larger than the training data', async () => {
    await expect(trained(smallJob({ images: 7 }))).rejects.toMatchObject({
      failureClass: 'user',
      message: expect.stringContaining('train.batch is 8, but there are only 7 training images'),
    });
  });

  it('refuses the checkpoint of another run', async () => {
    const { checkpoints } = await trained(smallJob({ train: { epochs: 1 } }));
    const resume = checkpoints.at(-1)?.bytes ?? new Uint8Array();
    await expect(trained(smallJob({ train: { epochs: 1 }, seed: 4, resume }))).rejects.toMatchObject({
      failureClass: 'user',
      message: "the checkpoint is of another run: its seed is 3, this run's 4",
    });
  });

  it('refuses a teacher whose weights do not fit', async () => {
    const job = smallJob({ teachers: [tinyVgg] });
    const weights = initialWeights({ name: 'vgg', width: 0.5, dropout: 0 }, 1);
    const run = trained({ ...job, teachers: [{ model: tinyVgg, weights }] });
    await expect(run).rejects.toMatchObject({ failureClass: 'user' });
  });

  it('stops between steps, and an evaluation between batches', async () => {
    const { validation } = smallJob().data;
    const evaluation = runEvaluation({
      model: tinyVgg,
      weights: initialWeights(tinyVgg, 1),
      data: { validation, test: validation },
      mean: 0.5,
      std: 0.25,
      signal: AbortSignal.abort(),
    });
    await expect(evaluation).rejects.toBeInstanceOf(TrainingStopped);
  });

  it('checkpoints as often as asked', async () => {
    const { checkpoints } = await trained(smallJob(), { checkpointEverySteps: 2 });
    expect(checkpoints.map(({ step }) => step)).toEqual([2, 4, 5, 6, 8, 10]);
  });
});

describe('an evaluation', () => {
  it('gives every image its logits, whatever its place in a batch', async () => {
    const { validation } = smallJob().data;
    const evaluate = (set: typeof validation) =>
      runEvaluation({
        model: tinyVgg,
        weights: initialWeights(tinyVgg, 1),
        data: { validation: set, test: validation },
        mean: 0.5,
        std: 0.25,
        signal: new AbortController().signal,
      });
    const pixels = validation.size * validation.size;
    const count = 150;
    const many = {
      ...validation,
      count,
      labels: Int32Array.from({ length: count }, (_, image) => validation.labels[image % 20] ?? 0),
      pixels: Uint8Array.from(
        { length: count * pixels },
        (_, at) => validation.pixels[at % (20 * pixels)] ?? 0,
      ),
    };
    const { metrics, logits, parameters } = await evaluate(many);
    const { tensors } = readSafetensors(logits);
    expect(metrics.validation?.images).toBe(count);
    expect(metrics.test.images).toBe(20);
    expect(parameters).toBe(37_167);
    expect(tensors['validation.logits']?.shape).toEqual([count, 7]);
    expect(tensors['test.labels']?.data).toEqual(validation.labels);
    const [all, few] = [tensors['validation.logits']?.data, tensors['test.logits']?.data];
    for (let index = 0; index < 140; index++) {
      const repeated = Number(all?.[140 * 7 + (index % 70)]);
      expect(repeated).toBeCloseTo(Number(few?.[index % 70]), 5);
    }
  });
});
