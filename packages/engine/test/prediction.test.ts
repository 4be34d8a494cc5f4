import { describe, expect, it, jest } from '@jest/globals';
import { distillMethodSpec } from '@ferment/contracts';
import { decodePrediction, encodePrediction, logitsAt } from '../src/files/prediction.js';
import { readSafetensors } from '../src/files/safetensors.js';
import { fuseLogits } from '../src/fit/index.js';
import { runEvaluation, runPrediction, TrainingStopped } from '../src/train/index.js';
import { patternImages } from './support/pattern-images.js';
import { initialWeights, size, smallJob, tinyVgg, trained } from './support/training.js';

jest.setTimeout(120_000);

const small = { name: 'resnet18', stem: 'small', width: 0.125 } as const;
const images = patternImages(150, size, 9);
const places = Int32Array.from({ length: 150 }, (_, row) => 1000 - row);
const one = { model: tinyVgg, weights: initialWeights(tinyVgg, 1) };
const other = { model: small, weights: initialWeights(small, 2) };
const common = { mean: 0.5, std: 0.25, signal: new AbortController().signal };
const scored = { data: { validation: images, test: images }, ...common };

describe('a prediction', () => {
  it('holds logits, labels and places, as an evaluation finds them', async () => {
    const bytes = await runPrediction({ ...one, images, places, split: 'validation', ...common });
    const found = decodePrediction(bytes);
    expect(found.split).toBe('validation');
    expect(found.labels).toEqual(images.labels);
    expect(found.places).toEqual(places);
    const evaluated = readSafetensors((await runEvaluation({ ...one, ...scored })).logits).tensors;
    expect(found.logits).toEqual(evaluated['validation.logits']?.data);
  });

  it('stops on request', async () => {
    const signal = AbortSignal.abort();
    const run = runPrediction({ ...one, images, places, split: 'train', ...common, signal });
    await expect(run).rejects.toBeInstanceOf(TrainingStopped);
  });

  it('is refused where it is none', () => {
    expect(() => decodePrediction(one.weights)).toThrow(/make it with a "predict" job/);
    const labels = Int32Array.of(1, 2);
    expect(() =>
      encodePrediction({ split: 'train', logits: new Float32Array(14), labels, places: labels.subarray(1) }),
    ).toThrow(RangeError);
  });

  const fold = (held: number[]) => ({
    split: 'held-out' as const,
    logits: Float32Array.from(held.flatMap((place) => [place, place / 2])),
    labels: Int32Array.from(held, () => 0),
    places: Int32Array.from(held),
  });

  it('of each fold makes the logits of all images in their order', () => {
    const all = logitsAt([fold([4, 1]), fold([2, 9])], Int32Array.of(1, 2, 4, 9));
    expect(Array.from(all)).toEqual([1, 0.5, 2, 1, 4, 2, 9, 4.5]);
  });

  it('of each fold must hold every image once', () => {
    expect(() => logitsAt([fold([4, 1])], Int32Array.of(1, 2))).toThrow('holds image 2');
    expect(() => logitsAt([fold([4, 1]), fold([1])], Int32Array.of(1))).toThrow('image 1 was predicted');
  });
});

describe('a checkpoint', () => {
  it('is shown pictures as it was trained on them, whatever others are', async () => {
    const { result } = await trained(smallJob({ train: { updates: 3 } }));
    const network = { model: tinyVgg, weights: result.best };
    const logits = async (normalisation: { mean: number; std: number }) => {
      const { logits: bytes } = await runEvaluation({ ...network, ...scored, ...normalisation });
      return readSafetensors(bytes).tensors['test.logits']?.data as Float32Array;
    };
    const [stated, elsewhere] = [
      await logits({ mean: 0.5, std: 0.25 }),
      await logits({ mean: 0.3, std: 0.7 }),
    ];
    elsewhere.forEach((logit, at) => expect(logit).toBeCloseTo(stated[at] ?? Number.NaN, 4));
  });
});

describe('a fused network', () => {
  const fusion = { weights: [0.3, 0.7], temperatures: [2, 0.5] };
  const fused = { members: [one, other], fusion };

  it('scores as its members logits say', async () => {
    const logits = async (network: typeof one | typeof other | typeof fused) => {
      const { logits: bytes, parameters } = await runEvaluation({ ...network, ...scored });
      return { parameters, values: readSafetensors(bytes).tensors['test.logits']?.data as Float32Array };
    };
    const [a, b, both] = [await logits(one), await logits(other), await logits(fused)];
    expect(both.parameters).toBe(a.parameters + b.parameters);
    const expected = fuseLogits([a.values, b.values], fusion);
    both.values.forEach((logit, at) => expect(logit).toBeCloseTo(expected[at] ?? Number.NaN, 4));
  });

  it('with all the weight on one member teaches as that member does', async () => {
    const job = smallJob({ teachers: [tinyVgg], train: { updates: 3 } });
    const alone = await trained({ ...job, teachers: [one] });
    const weighed = { members: [one, other], fusion: { weights: [1, 0], temperatures: [1, 3] } };
    const together = await trained({ ...job, teachers: [weighed] });
    together.rows.forEach(({ values }, index) =>
      expect(values['train.distillation']).toBeCloseTo(
        alone.rows[index]?.values['train.distillation'] ?? Number.NaN,
        5,
      ),
    );
  });

  it('needs a weight and a temperature for each member', async () => {
    const short = { members: [one, other], fusion: { weights: [1], temperatures: [1, 1] } };
    await expect(runEvaluation({ ...short, ...scored })).rejects.toThrow(
      'a fusion of 2 networks has 1 weights and 2 temperatures',
    );
  });
});

describe('the best teacher', () => {
  it('is the one with the highest macro-F1 on validation', async () => {
    const job = smallJob({ method: distillMethodSpec.parse({ name: 'best' }), teachers: [tinyVgg, tinyVgg] });
    const good = await trained(smallJob({ images: 140, train: { epochs: 6, batch: 20, augment: 'none' } }));
    const taught = { model: tinyVgg, weights: good.result.best };
    const raw = { model: tinyVgg, weights: initialWeights(tinyVgg, 5) };
    const best = await trained({ ...job, teachers: [raw, taught] });
    const only = await trained({ ...job, teachers: [taught] });
    expect(Buffer.compare(best.result.last, only.result.last)).toBe(0);
  });
});

describe('a distillation', () => {
  it('refuses what its method lacks', async () => {
    const job = smallJob({ teachers: [tinyVgg], method: distillMethodSpec.parse({ name: 'eadd' }) });
    const outOfFold = new Float32Array(40 * 7);
    await expect(trained({ ...job, teachers: [{ ...one, temperature: 2 }] })).rejects.toThrow(
      'eadd weighs its teachers by predictions out of fold: expected 40 x 7 logits of teacher0, got none',
    );
    await expect(trained({ ...job, teachers: [{ ...one, outOfFold }] })).rejects.toThrow(
      'eadd takes calibrated teachers: expected a temperature for teacher0',
    );
  });
});
