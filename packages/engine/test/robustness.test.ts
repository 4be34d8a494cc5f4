import {
  attackRunName,
  attackRuns,
  repeatablePart,
  robustnessResult,
  robustnessSpec,
  type AttackResult,
} from '@ferment/contracts';
import type { SplitImages } from '@ferment/datasets';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readSafetensors, writeSafetensors } from '../src/files/safetensors.js';
import { runRobustness, type RobustnessInputs } from '../src/robustness/index.js';
import { sanityOf, type SanityFigures } from '../src/robustness/sanity.js';
import { TrainingStopped, type WeightedModel } from '../src/train/index.js';
import { patternImages } from './support/pattern-images.js';
import { size, smallJob, tinyVgg, trained } from './support/training.js';

jest.setTimeout(300_000);

const count = 100;
const places = Int32Array.from({ length: count }, (_, at) => 500 + 2 * at);
const test: SplitImages = { ...patternImages(count, size, 8), indices: places, places };
const spec = robustnessSpec.parse({
  attackImages: 90,
  attacks: [
    { fgsm: { epsilon: ['2/255', '16/255'] } },
    { pgd: { steps: 4, epsilon: ['2/255', '16/255'] } },
    { cw: { steps: 4, restarts: 2, epsilon: ['16/255'] } },
  ],
  corruptions: { kinds: ['gaussian-noise', 'contrast'], severities: [5, 1] },
  latency: false,
});

let inputs: RobustnessInputs & WeightedModel;
/** The evaluation of `spec` from beginning to end. */
let whole: Awaited<ReturnType<typeof finished>>;
beforeAll(async () => {
  const { result } = await trained(smallJob({ images: 140, train: { epochs: 4, augment: 'none' } }));
  const scored = { model: tinyVgg, weights: result.last, test, mean: 0.5, std: 0.25 };
  inputs = { ...scored, spec, seed: 3, threads: 1, resume: null };
  whole = await finished();
});

type Changes = Partial<RobustnessInputs & WeightedModel>;

interface Kept {
  readonly checkpoints: Uint8Array[];
  readonly progress: { done: number; total: number }[];
}

async function evaluated(changes: Changes = {}, stopAfter = Number.POSITIVE_INFINITY) {
  const kept: Kept = { checkpoints: [], progress: [] };
  const stopping = new AbortController();
  const outputs = runRobustness(
    { ...inputs, ...changes },
    {
      signal: stopping.signal,
      checkpoint: (bytes) => {
        kept.checkpoints.push(bytes);
        if (kept.checkpoints.length === stopAfter) stopping.abort();
        return Promise.resolve();
      },
      progress: (progress) => kept.progress.push(progress),
    },
  );
  return { kept, outputs };
}

async function finished(changes: Changes = {}) {
  const { kept, outputs } = await evaluated(changes);
  return { kept, ...(await outputs) };
}

const bitsOf = (bytes: Uint8Array) => {
  const { tensors } = readSafetensors(bytes);
  return (name: string) => Array.from(tensors[name]?.data ?? [], Number);
};
const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a robust evaluation', () => {
  it('measures the same images under every attack, and says which', () => {
    const { result, bits, kept } = whole;
    expect(robustnessResult.parse(result)).toEqual(result);
    const read = bitsOf(bits);
    const clean = read('clean');
    expect(clean).toHaveLength(90);
    expect(result.images).toBe(90);
    expect(result.clean).toBe(mean(clean));
    expect(result.clean).toBeGreaterThan(0.5);
    expect(read('places')).toEqual(Array.from(test.indices.subarray(0, 90)));
    expect(read('labels')).toEqual(Array.from(test.labels.subarray(0, 90)));
    const runs = attackRuns(spec.attacks);
    expect(result.attacks).toHaveLength(runs.length);
    runs.forEach((run, index) => {
      const found = read(`attack.${attackRunName(run)}`);
      expect(result.attacks[index]).toMatchObject({ ...run, accuracy: mean(found) });
      // What is wrong untouched stays wrong.
      expect(found.every((bit, image) => bit <= (clean[image] ?? 0))).toBe(true);
    });
    const ofClass = (label: number) => clean.filter((_, image) => test.labels[image] === label);
    expect(result.cleanPerClass).toEqual([0, 1, 2, 3, 4, 5, 6].map((label) => mean(ofClass(label))));
    expect(result.worstCase.map(({ epsilon }) => epsilon)).toEqual([2 / 255, 16 / 255]);
    const at16 = runs
      .filter(({ epsilon }) => epsilon === 16 / 255)
      .map((run) => read(`attack.${attackRunName(run)}`));
    expect(result.worstCase[1]?.accuracy).toBe(
      mean(clean.map((_, image) => Math.min(...at16.map((of) => of[image] ?? 0)))),
    );
    expect(result.attacks.at(-1)?.accuracy).toBeLessThan(result.clean);
    const last = kept.progress.at(-1);
    expect(last?.done).toBe(last?.total);
  });

  it('scores the corruptions on the whole split, by severity', () => {
    const { result, bits } = whole;
    const read = bitsOf(bits);
    expect(result.corruptions.map(({ kind, severity }) => `${kind} ${severity}`)).toEqual([
      'gaussian-noise 1',
      'gaussian-noise 5',
      'contrast 1',
      'contrast 5',
    ]);
    for (const { kind, severity, accuracy } of result.corruptions) {
      expect(read(`corruption.${kind}.${severity}`)).toHaveLength(count);
      expect(accuracy).toBe(mean(read(`corruption.${kind}.${severity}`)));
    }
  });

  it('ends with the same bits however often it is stopped on the way', async () => {
    expect(whole.kept.checkpoints.length).toBeGreaterThan(8);
    let resume: Uint8Array | null = null;
    let stops = 0;
    for (;;) {
      const { kept, outputs } = await evaluated({ resume }, 3);
      const ended = await outputs.catch((error: unknown) => {
        expect(error).toBeInstanceOf(TrainingStopped);
        return null;
      });
      if (ended) {
        expect(ended.result).toEqual(whole.result);
        expect(ended.bits).toEqual(whole.bits);
        break;
      }
      resume = kept.checkpoints.at(-1) ?? null;
      stops += 1;
    }
    expect(stops).toBeGreaterThan(2);
  });

  it('goes on with nothing but its own partial results', async () => {
    const resume = whole.kept.checkpoints.at(-1) ?? null;
    await expect(finished({ resume, seed: 4 })).rejects.toMatchObject({ failureClass: 'user' });
    const foreign = writeSafetensors({}, { identity: 'another' });
    await expect(finished({ resume: foreign })).rejects.toThrow('of another evaluation');
  });

  it('attacks a fused network through its members and temperatures', async () => {
    const few = robustnessSpec.parse({
      attackImages: 32,
      attacks: [{ cw: { epsilon: ['8/255'], steps: 4 } }],
    });
    const { model, weights, ...rest } = { ...inputs, spec: { ...few, latency: false } };
    const member = { model, weights };
    const signal = new AbortController().signal;
    const options = { signal, checkpoint: () => Promise.resolve(), progress: () => undefined };
    const fused = (temperatures: number[]) =>
      runRobustness(
        { ...rest, members: [member, member], fusion: { weights: [0.25, 0.75], temperatures } },
        options,
      );
    const alone = await runRobustness({ ...rest, ...member }, options);
    const same = await fused([1, 1]);
    // A margin's sign does not feel a common temperature.
    const cool = await fused([4, 4]);
    for (const { result } of [same, cool]) {
      expect(result.clean).toBe(alone.result.clean);
      const accuracy = alone.result.attacks[0]?.accuracy ?? Number.NaN;
      expect(Math.abs((result.attacks[0]?.accuracy ?? Number.NaN) - accuracy)).toBeLessThanOrEqual(1 / 32);
      expect(result.cost.parameters).toBe(2 * alone.result.cost.parameters);
      expect(result.cost.macs).toBe(2 * alone.result.cost.macs);
    }
  });

  it('measures the latency apart from what repeats', async () => {
    const only = robustnessSpec.parse({ attackImages: 8 });
    const { result } = await finished({ spec: only, threads: 3 });
    const { latency } = result.cost;
    expect(latency).toMatchObject({ unit: 'ms', batch: 1, threads: 3 });
    expect(latency?.median).toBeGreaterThan(0);
    expect(latency?.p95).toBeGreaterThanOrEqual(latency?.median ?? Number.NaN);
    expect(latency?.runs).toBeGreaterThanOrEqual(20);
    expect(result).toMatchObject({ attacks: [], corruptions: [], sanity: [], worstCase: [] });
    const again = await finished({ spec: only, threads: 3 });
    expect(repeatablePart(again.result)).toEqual(repeatablePart(result));
  });

  it('passes its sanity checks on an honest network', async () => {
    const { result } = await finished({
      spec: robustnessSpec.parse({
        attacks: [{ fgsm: { epsilon: ['8/255'] } }, { pgd: { epsilon: ['4/255', '8/255'] } }],
        latency: false,
      }),
    });
    expect(result.sanity).toHaveLength(8);
    expect(result.sanity.filter(({ passed }) => !passed)).toEqual([]);
  });

  it('is suspicious of a network whose gradients vanish', async () => {
    const { tensors, metadata } = readSafetensors(inputs.weights);
    const scaled = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [
        name,
        name.startsWith('classifier') && tensor.dtype === 'F32'
          ? { ...tensor, data: tensor.data.map((value) => value * 1e6) }
          : tensor,
      ]),
    );
    const { result } = await finished({
      weights: writeSafetensors(scaled, metadata),
      spec: robustnessSpec.parse({ attacks: [{ pgd: { epsilon: ['8/255'] } }], latency: false }),
    });
    const failed = result.sanity.filter(({ passed }) => !passed).map(({ check }) => check);
    expect(failed).toContain('no-vanishing-gradients');
    expect(failed).toContain('no-accuracy-at-unbounded-epsilon');
  });
});

describe('the sanity checks', () => {
  const figures: SanityFigures = {
    images: 128,
    epsilon: 8 / 255,
    steps: 20,
    singleStep: 0.4,
    iterative: 0.2,
    halfEpsilon: 0.5,
    unbounded: 0,
    twiceTheSteps: 0.19,
    twoRestarts: 0.18,
    zeroGradients: 0,
    zeroGradientValues: 0.02,
    repeats: true,
    verifiedRuns: 9,
  };
  const result = (attack: AttackResult['attack'], epsilon: number, accuracy: number): AttackResult => ({
    attack,
    epsilon,
    steps: attack === 'fgsm' ? 1 : 20,
    restarts: 1,
    stepSize: epsilon,
    accuracy,
    perClass: new Array<null>(7).fill(null),
  });
  const honest = [
    result('fgsm', 0.1, 0.5),
    result('fgsm', 0.2, 0.3),
    result('pgd', 0.2, 0.1),
    result('pgd', 0.1, 0.4),
  ];
  const failed = (results: AttackResult[], changes: Partial<SanityFigures> = {}) =>
    sanityOf(results, 1000, { ...figures, ...changes })
      .filter(({ passed }) => !passed)
      .map(({ check }) => check);

  it('pass where nothing is amiss', () => {
    expect(failed(honest)).toEqual([]);
    // Two images of a thousand are nothing, and one of a hundred.
    expect(failed([result('pgd', 0.1, 0.1), result('pgd', 0.2, 0.102)], { halfEpsilon: 0.193 })).toEqual([]);
  });

  it.each<[string, AttackResult[], Partial<SanityFigures>]>([
    ['iterative-not-weaker-than-single-step', [result('fgsm', 0.1, 0.3), result('cw', 0.1, 0.31)], {}],
    ['iterative-not-weaker-than-single-step', honest, { singleStep: 0.15 }],
    ['accuracy-not-rising-with-epsilon', [result('pgd', 0.2, 0.3), result('pgd', 0.1, 0.29)], {}],
    ['accuracy-not-rising-with-epsilon', honest, { halfEpsilon: 0.15 }],
    ['no-accuracy-at-unbounded-epsilon', honest, { unbounded: 0.05 }],
    ['more-steps-change-little', honest, { twiceTheSteps: 0.16 }],
    ['more-restarts-change-little', honest, { twoRestarts: 0.16 }],
    ['no-vanishing-gradients', honest, { zeroGradients: 0.05 }],
    ['same-seed-same-result', honest, { repeats: false }],
  ])('%s fails alone where it is broken', (check, results, changes) => {
    expect(failed(results, changes)).toEqual([check]);
  });

  it('say what they compared', () => {
    const details = sanityOf(honest, 1000, { ...figures, epsilon: 0.2 }).map(({ detail }) => detail);
    expect(details[0]).toBe(
      'FGSM and PGD-20 at 25.5/255: 50.0 %, then 40.0 %; FGSM and PGD-20 at 51/255: 30.0 %, then 10.0 %; ' +
        'FGSM and PGD-20 on 128 images at 51/255: 40.0 %, then 20.0 %',
    );
    expect(details[6]).toBe('a second run of PGD-20 with the same seed moved the pictures to the same bits');
  });
});
