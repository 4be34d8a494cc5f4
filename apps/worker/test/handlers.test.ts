import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  canonicalJson,
  evaluationResult,
  experimentTables,
  exportFormats,
  type Protocol,
} from '@ferment/contracts';
import { readSafetensors, writeSafetensors } from '@ferment/engine';
import { bytesIn, failedJob, output, runJob, type Outcome } from './outcomes.js';
import { startRig, type Rig } from './rig.js';
import { claimOf, dataOf, facesCsv, importParams, trainParams } from './support.js';
import type { Claim } from '../src/truth.js';

let rig: Rig;
let version = '';
let csv = '';
beforeAll(async () => {
  rig = await startRig();
  const faces = facesCsv(400);
  // Twenty pictures of the test split stand in Training too: the official split takes them out, the carved one not.
  const copies = faces.match(/^.*,PrivateTest$/gm)?.slice(0, 20) ?? [];
  // Eight more stand in the test split twice.
  csv = [faces + copies.join('\n').replaceAll('PrivateTest', 'Training'), ...copies.slice(0, 8)].join('\n');
  const source = rig.store.add(csv);
  version = (await run(claimOf('import', importParams(source.hash)))).result['version'] as string;
}, 60_000);
afterAll(() => rig.close());

const run = (claim: Claim): Promise<Outcome> => runJob(rig, claim);
const failureOf = (claim: Claim): Promise<unknown> => failedJob(rig, claim);
const bytesOf = (outcome: Outcome, role: string): Uint8Array => bytesIn(rig, outcome, role);
const json = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString());

describe('the same training', () => {
  it('gives the same bits in another process', async () => {
    const params = trainParams(version, 1);
    const first = await run(claimOf('train', params));
    // While this child is held the pool has to start another.
    const held = await rig.pool.take(1);
    const second = await run(claimOf('train', params));
    const other = await rig.pool.take(1);
    expect(other.pid).not.toBe(held.pid);
    await rig.pool.give(other);
    await rig.pool.give(held);
    for (const role of ['best', 'last'])
      expect(Buffer.compare(bytesOf(second, role), bytesOf(first, role))).toBe(0);
  }, 120_000);
});

describe('the handlers, one after another as an experiment runs them', () => {
  it('import, train, distil, evaluate, export, tabulate', async () => {
    const teacherParams = trainParams(version, 2);
    const teacher = await run(claimOf('train', teacherParams));
    expect(teacher.result).toMatchObject({
      computedOn: {
        gpu: false,
        device: 'cpu',
        threads: 1,
        tensorflow: expect.stringMatching(/^2\./),
        flags: expect.objectContaining({ TF_ENABLE_ONEDNN_OPTS: '1', OMP_NUM_THREADS: '1' }),
        libraries: expect.any(Object),
      },
      steps: 38,
      images: { validation: 40, test: 48 },
      selectMetric: 'validation.macroF1',
    });

    const method = {
      name: 'kd',
      temperature: 4,
      ceWeight: 0.1,
      distillWeight: 0.9,
      calibrated: false,
    } as const;
    const studentParams = { ...trainParams(version, 2), method };
    const student = await run(
      claimOf('distill', studentParams, {
        inputs: {
          data: null,
          teachers: [output(teacher, 'best')],
          start: output(teacher, 'best'),
          outOfFold: [],
        },
        inputParams: { teachers: [teacherParams], start: teacherParams },
      }),
    );
    expect(output(student, 'best').hash).not.toBe(output(teacher, 'best').hash);

    const network = { data: dataOf(version), model: teacherParams.model };
    const checkpoint = {
      inputs: { checkpoint: output(student, 'best') },
      inputParams: { checkpoint: studentParams },
    };
    const evaluation = await run(claimOf('evaluate', network, checkpoint));
    const metrics = evaluationResult.parse(json(bytesOf(evaluation, 'metrics')));
    expect(metrics).toMatchObject({ dataset: 'faces', datasetVersion: version, protocol: 'official' });
    // 38 updates as the training counted them; images counted in the csv itself.
    const pixels = (usage: string) =>
      csv.split('\n').flatMap((line) => (line.endsWith(`,${usage}`) ? [line.split(',')[1]] : []));
    const heldOut = new Set([...pixels('PublicTest'), ...pixels('PrivateTest')]);
    const leaks = pixels('Training').filter((picture) => heldOut.has(picture));
    expect(leaks.length).toBeGreaterThanOrEqual(20);
    expect(metrics).toMatchObject({ synthetic: true, leakRemoved: leaks.length, updates: 38 });
    expect(metrics.splits.validation?.macroF1).toBeCloseTo(student.result['bestMetric'] as number, 10);
    const { tensors } = readSafetensors(bytesOf(evaluation, 'logits'));
    // The copies stand at the end of the csv: the first forty pictures are the distinct ones.
    const distinct = new Set(pixels('PrivateTest')).size;
    expect([distinct, pixels('PrivateTest').length]).toEqual([40, 48]);
    const logits = Array.from(tensors['test.logits']?.data ?? [], Number);
    const labels = Array.from(tensors['test.labels']?.data ?? [], Number);
    const right = labels.slice(0, distinct).filter((label, image) => {
      const row = logits.slice(7 * image, 7 * image + 7);
      return row.indexOf(Math.max(...row)) === label;
    });
    expect(metrics.testDeduplicated).toMatchObject({ images: 40, accuracy: right.length / distinct });
    expect(tensors['test.logits']?.shape).toEqual([48, 7]);

    const subset = async (seed: number) => {
      const data = { ...dataOf(version), subset: { test: 20, seed } };
      const scored = await run(claimOf('evaluate', { ...network, data }, checkpoint));
      return evaluationResult.parse(json(bytesOf(scored, 'metrics')));
    };
    const [first, second] = [await subset(0), await subset(1)];
    // As many images of one version, but not the same: the hash tells.
    expect([first.splits.test.images, second.splits.test.images]).toEqual([20, 20]);
    expect(first.images.test).not.toBe(second.images.test);
    expect(first.images.validation).toBe(second.images.validation);
    expect(first.images.validation).toBe(metrics.images.validation);

    const exported = await run(claimOf('export', network, checkpoint));
    const weights = readSafetensors(bytesOf(exported, 'safetensors'));
    expect(Object.keys(weights.tensors).filter((name) => name.startsWith('optimizer'))).toEqual([]);
    for (const format of exportFormats) {
      const { length } = bytesOf(exported, format);
      expect(length).toBeGreaterThan(10_000);
      expect(exported.result).toMatchObject({ bytes: { [format]: length } });
    }

    const trial = (variant: string, seed: number) => ({
      variant,
      factors: { distillation: variant },
      seed,
      state: 'succeeded' as const,
      reason: null,
      metrics: { faces: output(evaluation, 'metrics').hash },
    });
    const table = await run(
      claimOf('ablation', {
        experiment: 'tiny',
        specHash: 'a'.repeat(64),
        design: 'one-at-a-time',
        baseline: 'baseline',
        seeds: [0, 1],
        fixedStages: [],
        selectMetric: 'validation.macroF1',
        trials: [trial('baseline', 0), trial('baseline', 1), trial('off', 0), trial('off', 1)],
      }),
    );
    const parsed = experimentTables.parse(json(bytesOf(table, 'table')));
    expect(parsed.sections[0]?.configurations.map(({ variant }) => variant)).toEqual(['baseline', 'off']);
    expect(canonicalJson(parsed)).toBe(Buffer.from(bytesOf(table, 'table')).toString());
  }, 120_000);

  it('start from a file of weights, head drawn anew, and score more views of a picture', async () => {
    const params = trainParams(version, 1);
    const first = await run(claimOf('train', params));
    const { tensors } = readSafetensors(bytesOf(first, 'best'));
    const wider = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [
        name,
        name.startsWith('classifier') ? { dtype: 'F32', shape: [1], data: Float32Array.of(0) } : tensor,
      ]),
    ) as typeof tensors;
    const file = rig.store.add(writeSafetensors(wider)).hash;
    const given = { file, model: params.model, preprocess: { size: 48, channels: 1 } } as const;
    const taken = { ...given, except: ['classifier'] };
    const weights = await run(claimOf('weights', taken));
    const filled = readSafetensors(bytesOf(weights, 'best')).tensors;
    expect(filled['features.0.0.weight']).toEqual(tensors['features.0.0.weight']);
    expect(filled['classifier.1.weight']?.shape).toEqual([7, 64]);
    expect(await failureOf(claimOf('weights', { ...given, except: [] }))).toMatchObject({
      failureClass: 'user',
      reason: expect.stringContaining('classifier.1.weight: expected F32 [7, 64], got F32 [1]'),
    });
    expect(await failureOf(claimOf('weights', { ...given, except: ['clasifier'] }))).toMatchObject({
      reason: expect.stringContaining('did you mean classifier?'),
    });

    // With everything but the head frozen, what was in the file is what comes out.
    const tuned = { ...params, train: { ...params.train, freeze: ['features'] } };
    const start = { inputs: { data: null, start: output(weights, 'best') }, inputParams: { start: taken } };
    const trained = await run(claimOf('train', tuned, start));
    const after = readSafetensors(bytesOf(trained, 'best')).tensors;
    expect(after['features.0.0.weight']).toEqual(tensors['features.0.0.weight']);
    expect(after['features.6.1.running_mean']).toEqual(tensors['features.6.1.running_mean']);
    expect(after['classifier.1.weight']).not.toEqual(filled['classifier.1.weight']);

    const scored = async (testTime: 'none' | 'flip' | 'ten-crop') => {
      const checkpoint = {
        inputs: { checkpoint: output(trained, 'best') },
        inputParams: { checkpoint: tuned },
      };
      const evaluation = { data: dataOf(version), model: params.model, testTime };
      const metrics = json(bytesOf(await run(claimOf('evaluate', evaluation, checkpoint)), 'metrics'));
      return evaluationResult.parse(metrics);
    };
    const [none, flip, crops] = [await scored('none'), await scored('flip'), await scored('ten-crop')];
    expect([none, flip, crops].map(({ testTime }) => testTime)).toEqual(['none', 'flip', 'ten-crop']);
    expect(new Set([none, flip, crops].map(({ splits }) => splits.test.nll)).size).toBe(3);
  });

  it('refuse to score a network on images it was trained on', async () => {
    const params = trainParams(version, 1);
    const carved = { ...params, data: { ...params.data, protocol: 'carved' as Protocol } };
    const trained = await run(claimOf('train', carved));
    const failure = await failureOf(
      claimOf(
        'evaluate',
        { data: dataOf(version), model: params.model },
        { inputs: { checkpoint: output(trained, 'best') }, inputParams: { checkpoint: carved } },
      ),
    );
    expect(failure).toMatchObject({
      failureClass: 'user',
      reason: expect.stringMatching(/^leak: \d+ exact cop/),
    });
    const { pairs } = (failure as { details: { pairs: { split: string }[] } }).details;
    expect(pairs.length).toBeGreaterThan(0);
    expect(new Set(pairs.map(({ split }) => split))).toEqual(new Set(['test']));
  }, 60_000);

  it('refuse pictures of another size than the network was trained on', async () => {
    const params = trainParams(version, 1);
    const trained = await run(claimOf('train', params));
    const failure = await failureOf(
      claimOf(
        'evaluate',
        { data: { ...dataOf(version), preprocess: { size: 32, channels: 1 } }, model: params.model },
        { inputs: { checkpoint: output(trained, 'best') }, inputParams: { checkpoint: params } },
      ),
    );
    expect(failure).toMatchObject({
      failureClass: 'user',
      reason: expect.stringContaining('trained on 48 px'),
    });
  }, 60_000);
});
