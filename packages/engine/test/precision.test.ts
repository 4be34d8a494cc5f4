import { readFileSync } from 'node:fs';
import { JobFailure, type Precision } from '@ferment/contracts';
import { describe, expect, it, jest } from '@jest/globals';
import { traceProgram } from '../src/capture/index.js';
import { readSafetensors, writeSafetensors } from '../src/files/safetensors.js';
import { requireKernels } from '../src/train/kernels.js';
import { LossScaler } from '../src/train/loss-scaler.js';
import { describeTraining, trainingDefinition, TrainingStopped } from '../src/train/index.js';
import { resumesAlike } from './support/resumed.js';
import {
  Collected,
  everyOption,
  initialWeights,
  largestDifference,
  smallJob,
  timeless,
  tinyVgg,
  trained,
  type TrainOverrides,
} from './support/training.js';

// Seconds of computing each, more on a busy machine.
jest.setTimeout(180_000);

const low = ['bfloat16', 'float16'] as const;
const fixture = JSON.parse(readFileSync(new URL('../fixtures/precision.json', import.meta.url), 'utf8')) as {
  scaler: { overflows: number[]; updates: number; first: number; changes: [number, number][] };
};

const plainStep: TrainOverrides = {
  optimizer: { name: 'sgd', lr: 1, momentum: 0, nesterov: false, weightDecay: 0 },
  schedule: { name: 'constant', warmup: 0 },
  augment: 'none',
  updates: 1,
};
const adamw: TrainOverrides = {
  ...plainStep,
  optimizer: { name: 'adamw', lr: 1e-3, betas: [0.9, 0.999], epsilon: 1e-12, weightDecay: 0 },
};
const start = initialWeights(tinyVgg, 5);

const floats = (bytes: Uint8Array) =>
  new Map(
    Object.entries(readSafetensors(bytes).tensors).map(
      ([name, { data }]) => [name, Float32Array.from(data as Float32Array)] as const,
    ),
  );

/** What one update of all images takes from the parameters, without momentum and by a rate of 1: the gradient. */
async function gradient(precision: Precision): Promise<number[]> {
  const { result } = await trained(smallJob({ start, train: { ...plainStep, batch: 40, precision } }));
  const after = floats(result.last);
  return [...floats(start)]
    .filter(([name]) => !name.includes('running_'))
    .flatMap(([name, values]) =>
      Array.from(values, (value, at) => value - (after.get(name)?.[at] ?? Number.NaN)),
    );
}

describe.each(low)('a training in %s', (precision) => {
  it('computes products in it, and keeps weights, optimizer and evaluation in float32', () => {
    const { graph } = traceProgram(trainingDefinition(describeTraining(smallJob({ train: { precision } }))));
    const typeOf = (name: string) => {
      const type = graph.nodes.find((node) => node.name === name)?.attributes['T'];
      return type?.kind === 'type' ? type.value : null;
    };
    const low16 = (name: string) =>
      graph.nodes.filter(
        (node) => node.name.startsWith(`${name}/`) && node.outputs.some(({ dtype }) => dtype === precision),
      );
    for (const op of ['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter', 'MatMul'])
      expect([op, typeOf(`train/${op}_0`)]).toEqual([op, precision]);
    expect(low16('train').length).toBeGreaterThan(50);
    expect(low16('evaluate')).toEqual([]);
    expect(
      graph.nodes
        .filter(({ op }) => op === 'VarHandleOp')
        .filter(({ attributes }) => {
          const type = attributes['dtype'];
          return type?.kind === 'type' && type.value === precision;
        }),
    ).toEqual([]);
  });

  it('has a gradient close to the one in float32', async () => {
    const [full, mixed] = [await gradient('float32'), await gradient(precision)];
    const off =
      Math.hypot(...mixed.map((value, at) => value - (full[at] ?? Number.NaN))) / Math.hypot(...full);
    // torch.autocast, on such pictures and with benchmarks' vgg: 0.165 and 0.048. Seven batch norms enlarge the roundings.
    expect(off).toBeLessThan(precision === 'bfloat16' ? 0.2 : 0.06);
    expect(off).toBeGreaterThan(1e-4);
  });

  it('learns as well as in float32, and the same bits every time', async () => {
    const job = (chosen: Precision) =>
      smallJob({ images: 140, train: { epochs: 6, batch: 20, augment: 'flip', precision: chosen } });
    const [one, other, full] = [
      await trained(job(precision)),
      await trained(job(precision)),
      await trained(job('float32')),
    ];
    expect(Buffer.compare(one.result.last, other.result.last)).toBe(0);
    expect(Buffer.compare(one.result.best, other.result.best)).toBe(0);
    expect(one.rows.map(timeless)).toEqual(other.rows.map(timeless));
    expect(one.result.bestMetric).toBeGreaterThan(0.8);
    expect(Math.abs(one.result.bestMetric - full.result.bestMetric)).toBeLessThan(0.15);
    expect(Buffer.compare(one.result.last, full.result.last)).not.toBe(0);
  });

  it('captured and eager agree to its rounding', async () => {
    const job = smallJob({ train: { precision, updates: 4 } });
    const [captured, eager] = [await trained(job), await trained(job, { execution: 'eager' })];
    captured.rows.forEach(({ values }, at) => {
      const ratio =
        (values['train.loss'] ?? Number.NaN) / (eager.rows[at]?.values['train.loss'] ?? Number.NaN);
      expect(Math.abs(ratio - 1)).toBeLessThan(precision === 'bfloat16' ? 0.01 : 0.002);
    });
  });

  it('learns from teachers, with every option there is', async () => {
    const losses = async (chosen: Precision) => {
      const train = { ...everyOption, epochs: 1, precision: chosen };
      const { rows } = await trained(smallJob({ teachers: [tinyVgg], train }));
      return rows.map(({ values }) => values['train.loss'] ?? Number.NaN);
    };
    const [full, mixed] = [await losses('float32'), await losses(precision)];
    mixed.forEach((loss, at) => expect(Math.abs(loss / (full[at] ?? Number.NaN) - 1)).toBeLessThan(0.05));
    expect(mixed).not.toEqual(full);
  });

  it.each([3, 5])('resumes after step %d to the same bits and rows', (stop) =>
    resumesAlike(smallJob({ train: { precision, epochs: 2 } }), stop),
  );

  it('is refused where this machine lacks a kernel, with what to do', () => {
    const lacking = () => {
      throw new Error('Conv2DBackpropFilter: no kernel');
    };
    const refused = () => requireKernels(precision, lacking);
    expect(refused).toThrow(JobFailure);
    expect(refused).toThrow(
      new RegExp(`train.precision: ${precision} cannot be computed .*: no kernel; .* train in float32 here`),
    );
    expect(() => requireKernels('float32', lacking)).not.toThrow();
  });
});

describe('the loss scale', () => {
  it("goes the way of torch.amp.GradScaler's", () => {
    const { overflows, updates, first, changes } = fixture.scaler;
    const scaler = new LossScaler();
    expect(scaler.scale).toBe(first);
    const found: [number, number][] = [];
    for (let update = 0; update < updates; update += 1) {
      const before = scaler.scale;
      scaler.observe(!overflows.includes(update), update + 1);
      if (scaler.scale !== before) found.push([update, scaler.scale]);
    }
    expect(found).toEqual(changes);
    expect(scaler.skipped).toBe(overflows.length);
  });

  it('goes on from what it was', () => {
    const scaler = new LossScaler();
    for (let update = 1; update < 2000; update += 1) scaler.observe(true, update);
    const other = new LossScaler();
    other.restore(scaler.save());
    other.observe(true, 2000);
    expect(other.save()).toEqual({ scale: 2 ** 17, good: 0, skipped: 0 });
  });

  it('stays within float32', () => {
    const scaler = new LossScaler();
    scaler.restore({ scale: 2 ** 127, good: 1999, skipped: 0 });
    scaler.observe(true, 1);
    expect(scaler.save()).toEqual({ scale: 2 ** 127, good: 0, skipped: 0 });
  });

  it('ends the run where no scale helps', () => {
    const scaler = new LossScaler();
    scaler.restore({ scale: 2 ** -13, good: 0, skipped: 29 });
    expect(() => scaler.observe(false, 30)).toThrow(
      'diverged at step 30: gradients in float16 are not finite at any loss scale',
    );
  });
});

/** A run's state before its first update, with another loss scale. */
async function beginning(train: TrainOverrides, scale: number): Promise<Uint8Array> {
  const collected = new Collected();
  const job = smallJob({ start, train: { ...train, precision: 'float16' } });
  const stopped = trained(job, { signal: AbortSignal.abort() }, collected);
  await expect(stopped).rejects.toBeInstanceOf(TrainingStopped);
  const { tensors, metadata } = readSafetensors(collected.checkpoints[0]?.bytes ?? start);
  const scalars = JSON.parse(metadata['ferment'] ?? '') as Record<string, unknown>;
  expect(scalars['lossScale']).toEqual({ scale: 2 ** 16, good: 0, skipped: 0 });
  return writeSafetensors(tensors, {
    ferment: JSON.stringify({ ...scalars, lossScale: { scale, good: 0, skipped: 0 } }),
  });
}

describe('an update in float16 whose gradients overflow', () => {
  const momentum: TrainOverrides = {
    ...{ augment: 'none', updates: 4, ema: 0.5, schedule: { name: 'constant', warmup: 0 } },
    optimizer: { name: 'sgd', lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
  };

  it('is left out: weights, optimizer and average stay, the scale is halved', async () => {
    const resume = await beginning(momentum, 2 ** 40);
    const job = smallJob({ train: { ...momentum, precision: 'float16' }, resume });
    const { rows, checkpoints } = await trained(job, { checkpointEverySteps: 1 });
    expect(rows.map(({ values }) => values['train.lossScale'])).toEqual([40, 39, 38, 37].map((n) => 2 ** n));
    const [before, after] = [floats(resume), floats(checkpoints[0]?.bytes ?? start)];
    const changed = [...after].filter(
      ([name, values]) => !values.every((value, at) => value === before.get(name)?.[at]),
    );
    // The forward pass has been, and its statistics are the network's.
    expect(changed.length).toBeGreaterThan(0);
    expect(changed.map(([name]) => name).filter((name) => !name.includes('running_'))).toEqual([]);
    expect(changed.map(([name]) => name).filter((name) => name.startsWith('average.'))).toEqual([]);
  });

  it('does not count for the optimizer, and the next one that fits is done', async () => {
    const train = { ...adamw, updates: 24 };
    const resume = await beginning(train, 2 ** 30);
    const job = smallJob({ train: { ...train, precision: 'float16' }, resume });
    const { rows, checkpoints } = await trained(job, { checkpointEverySteps: 1 });
    const scales = rows.map(({ values }) => Math.log2(values['train.lossScale'] ?? 0));
    const done = scales.findIndex((scale, at) => scale === scales[at + 1]);
    expect(done).toBeGreaterThan(3);
    expect(scales.slice(0, done + 1)).toEqual(Array.from({ length: done + 1 }, (_, at) => 30 - at));
    const at = (index: number) => floats(checkpoints.find(({ step }) => step === index)?.bytes ?? start);
    const [before, after] = [at(done), at(done + 1)];
    // Adam's first update is the rate times the gradient's sign, whatever came before it.
    const moved = [...before]
      .filter(([name]) => /^(features|classifier).*(weight|bias)$/.test(name))
      .flatMap(([name, values]) =>
        Array.from(values, (value, index) => Math.abs((after.get(name)?.[index] ?? 0) - value)),
      )
      .filter((distance) => distance > 0);
    expect(moved.length).toBeGreaterThan(1000);
    const middle = moved.toSorted((a, b) => a - b)[Math.floor(moved.length / 2)];
    expect((middle ?? 0) / 1e-3).toBeCloseTo(1, 3);
  });

  it('has no norm to tell, and goes with parts, clipping, averages and sharpness; a stopped run resumes alike', async () => {
    const train: TrainOverrides = {
      ...everyOption,
      optimizer: { ...momentum.optimizer, name: 'sgd', sam: { rho: 0.05 } } as NonNullable<
        TrainOverrides['optimizer']
      >,
      epochs: 2,
      precision: 'float16',
    };
    const resume = await beginning(train, 2 ** 22);
    const job = smallJob({ train, resume });
    const { rows } = await trained(job);
    const norms = rows.map(({ values }) => values['train.gradientNorm']);
    expect(norms[0]).toBeUndefined();
    expect(norms.at(-1)).toBeGreaterThan(0);
    expect(rows.every(({ values }) => Object.values(values).every(Number.isFinite))).toBe(true);
    expect(rows.every(({ values }) => !('train.finite' in values))).toBe(true);
    // While updates are still being left out, and after.
    await resumesAlike(job, 2);
    await resumesAlike(job, 7);
  });

  it('of a batch in parts leaves nothing behind for the next one', async () => {
    const train: TrainOverrides = { ...momentum, accumulate: 2, updates: 24 };
    const [from, plain] = [await beginning(train, 2 ** 30), await beginning(train, 2 ** 10)];
    const last = async (resume: Uint8Array) =>
      trained(smallJob({ train: { ...train, precision: 'float16' }, resume }));
    const [skipping, whole] = [await last(from), await last(plain)];
    const done = skipping.rows.filter(
      ({ values }, at) => values['train.lossScale'] === skipping.rows[at + 1]?.values['train.lossScale'],
    );
    expect(done.length).toBeGreaterThan(3);
    expect(Number.isFinite(largestDifference(skipping.result.last, whole.result.last))).toBe(true);
  });
});
