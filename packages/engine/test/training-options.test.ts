import { distillMethodSpec, JobFailure, modelSpec } from '@ferment/contracts';
import { describe, expect, it, jest } from '@jest/globals';
import { readSafetensors } from '../src/files/safetensors.js';
import { createModel } from '../src/models/index.js';
import { conv2d, mean, read, scope, square, subtract, tensor } from '../src/tensor/index.js';
import {
  everyOption,
  initialWeights,
  largestDifference,
  size,
  smallJob,
  tinyVgg,
  trained,
  type TrainOverrides,
} from './support/training.js';

jest.setTimeout(120_000);

const values = (bytes: Uint8Array, prefix = '') =>
  Object.fromEntries(
    Object.entries(readSafetensors(bytes).tensors)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, { data }]) => [name.slice(prefix.length), Float32Array.from(data as Float32Array)]),
  );
const of = (tensors: Record<string, Float32Array>, name: string): number[] => {
  const found = tensors[name];
  if (!found) throw new Error(`no ${name} among ${Object.keys(tensors).join(', ')}`);
  return Array.from(found);
};

const plainStep: TrainOverrides = {
  optimizer: { name: 'sgd', lr: 0.1, momentum: 0, nesterov: false, weightDecay: 0 },
  schedule: { name: 'constant', warmup: 0 },
  augment: 'none',
  updates: 1,
};
const start = initialWeights(tinyVgg, 5);
const withoutDropout = modelSpec.parse({ name: 'vgg', width: 0.25 });

const sharp: TrainOverrides = {
  optimizer: { name: 'sgd', lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4, sam: { rho: 0.05 } },
};

describe('all options together', () => {
  it.each([
    ['supervised', 12, [], {}],
    ['supervised, sharpness-aware', 12, [], sharp],
    ['distilled', 12, [tinyVgg], {}],
  ] as const)('%s: %d updates captured and eager agree', async (_, updates, teachers, more) => {
    const job = smallJob({ teachers, train: { ...everyOption, ...more, updates } });
    const captured = await trained(job);
    const eager = await trained(job, { execution: 'eager' });
    captured.rows.forEach(({ values: row }, index) => {
      const reference = eager.rows[index]?.values['train.loss'] ?? Number.NaN;
      expect(Math.abs((row['train.loss'] ?? Number.NaN) / reference - 1)).toBeLessThanOrEqual(2e-5);
    });
    expect(largestDifference(captured.result.last, eager.result.last)).toBeLessThanOrEqual(2e-5);
  });
});

describe('freezing and rates', () => {
  it('leaves frozen parts exactly as they were, batch-norm statistics too', async () => {
    const job = smallJob({
      start,
      train: { ...plainStep, updates: 3, freeze: ['features.0', 'features.3'] },
    });
    const before = values(start);
    const after = values((await trained(job)).result.last);
    for (const name of Object.keys(before)) {
      const same = of(after, name).every((value, at) => value === before[name]?.[at]);
      const frozen = name.startsWith('features.0.') || name.startsWith('features.3.');
      if (frozen) expect([name, same]).toEqual([name, true]);
      else expect([name, same]).toEqual([name, false]);
    }
  });

  it('multiplies the rate of each part; the longest name counts', async () => {
    const moved = async (more: TrainOverrides) => {
      const { result } = await trained(smallJob({ start, train: { ...plainStep, ...more } }));
      const [before, after] = [values(start), values(result.last)];
      return (name: string) => (of(after, name)[0] ?? 0) - (before[name]?.[0] ?? 0);
    };
    const plain = await moved({});
    const scaled = await moved({ layerRates: { features: 0.5, 'features.2': 0.25 } });
    const ratio = (name: string) => scaled(name) / plain(name);
    expect(ratio('classifier.1.bias')).toBeCloseTo(1, 3);
    expect(ratio('features.1.1.bias')).toBeCloseTo(0.5, 3);
    expect(ratio('features.2.1.bias')).toBeCloseTo(0.25, 3);
  });

  it.each([
    [
      { freeze: ['feature.0'] },
      'train.freeze: the network has no part "feature.0"; did you mean features.0?',
    ],
    [
      { freeze: ['features.1', 'xyz'] },
      'the network has no part "xyz"; expected a part of features, classifier',
    ],
    [{ layerRates: { 'features.10': 0.1 } }, 'train.layerRates: the network has no part "features.10"'],
    [{ freeze: ['features', 'classifier'] }, 'nothing is left to train'],
  ] as [TrainOverrides, string][])('refuses %j before training', async (train, message) => {
    const run = trained(smallJob({ train }));
    await expect(run).rejects.toBeInstanceOf(JobFailure);
    await expect(run).rejects.toThrow(message);
  });
});

describe('a batch in parts', () => {
  // With its batch norms frozen a network treats every picture on its own: parts must not matter.
  const alone: TrainOverrides = { ...plainStep, updates: 4, freeze: ['features'] };

  it.each([
    ['plain', {}],
    ['with class weights, whose sum spans the parts', { rebalance: { method: 'class-weights' } }],
    ['clipped once for all parts', { clip: 0.01 }],
  ] as [string, TrainOverrides][])('%s gives the update of the whole batch', async (_, more) => {
    const last = async (accumulate: number) => {
      const job = smallJob({ start, model: tinyVgg, train: { ...alone, ...more, accumulate } });
      return (await trained({ ...job, params: { ...job.params, model: withoutDropout } })).result.last;
    };
    const whole = await last(1);
    expect(largestDifference(await last(2), whole)).toBeLessThan(1e-5);
    expect(largestDifference(await last(8), whole)).toBeLessThan(1e-5);
    expect(largestDifference(start, whole)).toBeGreaterThan(1e-4);
  });

  it('reports the mean loss of the parts, one row an update', async () => {
    const rows = async (accumulate: number) =>
      (await trained(smallJob({ start, model: withoutDropout, train: { ...alone, accumulate } }))).rows;
    const [whole, parts] = [await rows(1), await rows(4)];
    expect(parts.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
    parts.forEach(({ values: row }, at) => {
      expect(row['train.loss']).toBeCloseTo(whole[at]?.values['train.loss'] ?? Number.NaN, 5);
      expect(row['train.accuracy']).toBeCloseTo(whole[at]?.values['train.accuracy'] ?? Number.NaN, 6);
    });
  });
});

describe('the moving average of the weights', () => {
  it('is what is evaluated and kept: decay times the one before and the rest of the new weights', async () => {
    const job = smallJob({ train: { epochs: 1, ema: 0.3 } });
    const { checkpoints, result } = await trained(job, { checkpointEverySteps: 1 });
    const [first] = checkpoints;
    if (!first) throw new Error('no checkpoint');
    let average = values(first.bytes, 'average.');
    for (const { step, bytes } of checkpoints.slice(1)) {
      const now = values(bytes);
      // Rises as (1 + n) / (10 + n) after n updates, at most to 0.3.
      const decay = Math.min(0.3, step / (9 + step));
      average = Object.fromEntries(
        Object.entries(average).map(([name, before]) => [
          name,
          before.map((value, at) => decay * value + (1 - decay) * (now[name]?.[at] ?? Number.NaN)),
        ]),
      );
      const found = values(bytes, 'average.');
      for (const [name, expected] of Object.entries(average))
        expected.forEach((value, at) =>
          expect(Math.abs((found[name]?.[at] ?? Number.NaN) - value)).toBeLessThan(
            1e-6 + 1e-5 * Math.abs(value),
          ),
        );
    }
    const best = values(result.best);
    for (const [name, expected] of Object.entries(values(checkpoints.at(-1)?.bytes ?? start, 'average.')))
      expect(Array.from(best[name] ?? [])).toEqual(Array.from(expected));
  });
});

describe('recalibrated batch norms', () => {
  it('have the mean statistics of the batches they are given', async () => {
    // One batch of all images, so that their order is of no account.
    const job = smallJob({ start, train: { ...plainStep, batch: 40, recalibrate: 1 } });
    const after = values((await trained(job)).result.last);
    const expected = scope(() => {
      const { pixels, count } = job.data.train;
      const normalised = Float32Array.from(pixels, (pixel) => (pixel / 255 - 0.5) / 0.25);
      const [outputs] = createModel(tinyVgg, { size, channels: 1 }).variables[0]?.shape.slice(-1) ?? [0];
      // In the file a filter is [out, in, 3, 3].
      const stored = after['features.0.0.weight'] ?? new Float32Array();
      const filter = new Float32Array(stored.length);
      for (let out = 0; out < (outputs ?? 0); out += 1)
        for (let at = 0; at < 9; at += 1) filter[at * (outputs ?? 0) + out] = stored[out * 9 + at] ?? 0;
      const maps = conv2d(
        tensor(normalised, [count, size, size, 1], 'float32'),
        tensor(filter, [3, 3, 1, outputs ?? 0], 'float32'),
        { stride: 1, padding: 1 },
      );
      const average = mean(maps, [0, 1, 2], true);
      const variance = mean(square(subtract(maps, average)), [0, 1, 2]);
      return {
        mean: Array.from(read(average)),
        variance: Array.from(read(variance)),
        places: count * size * size,
      };
    });
    of(after, 'features.0.1.running_mean').forEach((value, at) =>
      expect(value).toBeCloseTo(expected.mean[at] ?? Number.NaN, 4),
    );
    const unbiased = expected.places / (expected.places - 1);
    of(after, 'features.0.1.running_var').forEach((value, at) =>
      expect(value / (unbiased * (expected.variance[at] ?? Number.NaN))).toBeCloseTo(1, 4),
    );
  });

  it('do not change what is trained', async () => {
    const last = async (recalibrate: number | null) => {
      const { checkpoints } = await trained(smallJob({ train: { epochs: 2, recalibrate } }));
      const { tensors } = readSafetensors(checkpoints.at(-1)?.bytes ?? start);
      return Object.entries(tensors).filter(([name]) => !name.startsWith('best.'));
    };
    expect(await last(3)).toEqual(await last(null));
  });
});

describe('sharpness-aware minimisation', () => {
  it('with a vanishing radius is the optimizer alone, and with a real one is not', async () => {
    const last = async (rho: number | null) => {
      const optimizer = {
        ...plainStep.optimizer,
        ...(rho !== null && { sam: { rho } }),
      } as TrainOverrides['optimizer'];
      return (
        await trained(
          smallJob({ start, train: { ...plainStep, ...(optimizer && { optimizer }), updates: 2 } }),
        )
      ).result.last;
    };
    const plain = await last(null);
    expect(largestDifference(await last(1e-7), plain)).toBeLessThan(1e-4);
    expect(largestDifference(await last(0.5), plain)).toBeGreaterThan(1e-3);
  });
});

describe('mixing images', () => {
  it.each([
    ['dkd', 'the method dkd needs one label for each picture'],
    ['eadd', 'the method eadd needs one label for each picture'],
  ])('is refused for %s', async (name, message) => {
    const method = distillMethodSpec.parse({ name });
    await expect(trained(smallJob({ teachers: [tinyVgg], method, train: { mixup: 0.2 } }))).rejects.toThrow(
      message,
    );
  });

  it('is refused for an ArcFace head', async () => {
    const model = modelSpec.parse({ name: 'vgg', width: 0.25, head: { name: 'arcface' } });
    await expect(trained(smallJob({ model, train: { cutmix: 1 } }))).rejects.toThrow('an ArcFace head needs');
  });
});
