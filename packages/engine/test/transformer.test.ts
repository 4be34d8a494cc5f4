import { describe, expect, it, jest } from '@jest/globals';
import { modelSpec } from '@ferment/contracts';
import { syntheticFaces, type ImageSet } from '@ferment/datasets';
import { weightsFromTensors, weightsToTensors } from '../src/files/weights.js';
import { createModel } from '../src/models/index.js';
import { transformerBlocks } from '../src/models/transformer.js';
import { defineModel, Pass } from '../src/nn/index.js';
import { randomStream } from '../src/random/index.js';
import { attention, gelu, layerNorm, read, scope, tensor } from '../src/tensor/index.js';
import { relativeDifference } from './support/onnx.js';
import { deviceValues } from './support/run-model.js';
import { smallJob, trained, type TrainOverrides } from './support/training.js';

jest.setTimeout(120_000);

function uniformValues(name: string, count: number, scale = 1): Float32Array {
  const random = randomStream(5, name);
  return Float32Array.from({ length: count }, () => (2 * random.uniform() - 1) * scale);
}

describe('gelu', () => {
  it('is x times the normal distribution function', () => {
    const x = [-3, -1, 0, 0.5, 1, 2];
    // Phi(-3), Phi(-1) ... from tables.
    const phi = [
      0.0013498980316301, 0.158655253931457, 0.5, 0.691462461274013, 0.841344746068543, 0.977249868051821,
    ];
    const found = scope(() => Array.from(read(gelu(tensor(Float32Array.from(x), [6], 'float32')))));
    found.forEach((value, index) => expect(value).toBeCloseTo((x[index] ?? NaN) * (phi[index] ?? NaN), 6));
  });
});

describe('layerNorm', () => {
  it('has mean and biased variance of each row taken away', () => {
    const row = [1, 2, 3, 6];
    // Mean 3, variance (4 + 1 + 0 + 9) / 4.
    const expected = row.map((x, index) => ((x - 3) / Math.sqrt(3.5)) * (index + 1) + 0.5);
    const found = scope(() => {
      const x = tensor(Float32Array.from([...row, ...row.map((value) => 10 * value)]), [2, 4], 'float32');
      const scale = tensor(Float32Array.of(1, 2, 3, 4), [4], 'float32');
      return Array.from(read(layerNorm(x, scale, tensor(new Float32Array(4).fill(0.5), [4], 'float32'), 0)));
    });
    [...expected, ...expected].forEach((value, index) => expect(found[index]).toBeCloseTo(value, 5));
  });
});

describe('attention', () => {
  const [heads, tokens, width] = [2, 5, 3];
  const shape = [1, heads, tokens, width];
  const run = (...values: [Float32Array, Float32Array, Float32Array]): number[] =>
    scope(() => {
      const [q, k, v] = values.map((data) => tensor(data, shape, 'float32'));
      if (!q || !k || !v) throw new Error('three tensors');
      return Array.from(read(attention(q, k, v)));
    });
  const made = (name: string): Float32Array => uniformValues(name, heads * tokens * width, 2);

  it('weights values by the softmax of scaled products, head by head', () => {
    const [q, k, v] = [made('q'), made('k'), made('v')];
    const at = (data: Float32Array, head: number, token: number, channel: number): number =>
      data[(head * tokens + token) * width + channel] ?? NaN;
    const expected: number[] = [];
    for (let head = 0; head < heads; head += 1)
      for (let token = 0; token < tokens; token += 1) {
        const weights = Array.from({ length: tokens }, (_, other) => {
          let product = 0;
          for (let c = 0; c < width; c += 1) product += at(q, head, token, c) * at(k, head, other, c);
          return Math.exp(product / Math.sqrt(width));
        });
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (let c = 0; c < width; c += 1)
          expected.push(
            weights.reduce((sum, weight, other) => sum + (weight / total) * at(v, head, other, c), 0),
          );
      }
    expect(relativeDifference(run(q, k, v), expected)).toBeLessThan(1e-6);
  });

  it('stays finite where products are large', () => {
    const large = (name: string): Float32Array => made(name).map((value) => value * 1000);
    expect(run(large('q'), large('k'), made('v')).every(Number.isFinite)).toBe(true);
  });
});

describe('transformerBlocks', () => {
  const options = { channels: 8, side: 3, heads: 2, headWidth: 4, mlp: 16, count: 2 };
  const model = defineModel((place) => transformerBlocks(place, options));
  const tokens = options.side ** 2;
  const map = uniformValues('map', tokens * options.channels);
  const order = [4, 7, 1, 0, 8, 3, 6, 2, 5];
  const permuted = (data: Float32Array): Float32Array =>
    Float32Array.from(data, (_, at) => {
      const [token, channel] = [Math.floor(at / options.channels), at % options.channels];
      return data[(order[token] ?? NaN) * options.channels + channel] ?? NaN;
    });

  const run = (data: Float32Array, positions: number): Float32Array =>
    scope(() => {
      const values = model.variables.map(({ name, shape }): [string, Float32Array] => {
        const scale = name === 'pos_embed' ? positions : 0.5;
        return [
          name,
          uniformValues(
            name,
            shape.reduce((a, b) => a * b, 1),
            scale,
          ),
        ];
      });
      const pass = new Pass(deviceValues(model, Object.fromEntries(values)), false, null);
      const x = tensor(data, [1, options.side, options.side, options.channels], 'float32');
      return Float32Array.from(read(model.forward(x, pass)));
    });

  it('knows where a token is by its position alone', () => {
    const moved = (positions: number): number =>
      relativeDifference(run(permuted(map), positions), permuted(run(map, positions)));
    expect(moved(0)).toBeLessThan(1e-5);
    expect(moved(1)).toBeGreaterThan(1e-2);
  });

  it('lets every token look at every other', () => {
    const changed = map.slice();
    changed[changed.length - 1] = 3;
    const [before, after] = [run(map, 1), run(changed, 1)];
    for (let token = 0; token < tokens; token += 1) {
      const place = [token * options.channels, (token + 1) * options.channels] as const;
      expect(relativeDifference(after.slice(...place), before.slice(...place))).toBeGreaterThan(1e-4);
    }
  });
});

/** Synthetic faces of 48 pixels. */
function faces(count: number): ImageSet {
  const rows = [...syntheticFaces({ train: count, publicTest: 1, privateTest: 1, seed: 1 })].slice(
    1,
    count + 1,
  );
  const pixels = new Uint8Array(count * 48 * 48);
  const labels = new Int32Array(count);
  rows.forEach((row, index) => {
    const [label = '', values = ''] = row.split(',');
    labels[index] = Number(label);
    pixels.set(values.split(' ').map(Number), index * 48 * 48);
  });
  return { pixels, labels, count, size: 48, channels: 1 };
}

describe('hybrid', () => {
  it.each([true, false])('learns synthetic faces, transformer %s', async (transformer) => {
    const model = modelSpec.parse({ name: 'hybrid', width: 0.25, depth: [1, 1], transformer });
    const optimizer: TrainOverrides['optimizer'] = {
      name: 'adamw',
      lr: 3e-3,
      betas: [0.9, 0.999],
      epsilon: 1e-8,
      weightDecay: 0.05,
    };
    const job = smallJob({
      model,
      train: {
        epochs: 15,
        batch: 16,
        augment: 'none',
        labelSmoothing: 0,
        optimizer,
      },
    });
    const train = faces(112);
    const { rows } = await trained({ ...job, data: { ...job.data, train, validation: train } });
    const losses = rows.map(({ values }) => values['train.loss'] ?? NaN);
    const average = (some: number[]): number => some.reduce((sum, loss) => sum + loss, 0) / some.length;
    // Chance is ln 7 = 1.95; the shares of the classes alone bring it to about 1.8.
    expect(average(losses.slice(0, 7))).toBeGreaterThan(1.6);
    expect(average(losses.slice(-7))).toBeLessThan(1.2);
  });

  it('refuses the weights of pictures of another size, naming the positions', () => {
    const spec = modelSpec.parse({ name: 'hybrid', width: 0.25 });
    const [of48, of64] = [48, 64].map((size) => createModel(spec, { size, channels: 1 }));
    if (!of48 || !of64) throw new Error('two models');
    const values = of48.variables.map(({ name, shape }): [string, Float32Array] => [
      name,
      new Float32Array(shape.reduce((a, b) => a * b, 1)),
    ]);
    const tensors = weightsToTensors(of48, Object.fromEntries(values));
    expect(() => weightsFromTensors(of64, tensors)).toThrow(
      'stages.1.transformer.pos_embed: expected F32 [1, 256, 24], got F32 [1, 144, 24]',
    );
  });
});
