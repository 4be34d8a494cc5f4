import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ablationTable,
  datasetSummary,
  evaluationResult,
  type DatasetSummary,
  type PinnedData,
} from '@ferment/contracts';
import { foldOfSubject, packArchive, syntheticKdef } from '@ferment/datasets';
import { readSafetensors } from '@ferment/engine';
import { bytesIn, failedJob, output, runJob, type Outcome } from './outcomes.js';
import { startRig, type Rig } from './rig.js';
import { claimOf, dataOf, facesCsv, importParams, trainParams } from './support.js';
import type { Claim } from '../src/truth.js';

/** Eight people: some in every fold. */
const people = 4;
const fold = 1;
const inFold = (wanted: number): number =>
  [0, 35]
    .flatMap((first) => Array.from({ length: people }, (_, id) => foldOfSubject(first + id)))
    .filter((each) => each === wanted).length;

let rig: Rig;
let faces = '';
let kdef = '';
let summary: DatasetSummary;

async function* portraits(): AsyncGenerator<{ path: string; content: Uint8Array }> {
  for await (const { name, jpeg } of syntheticKdef({ angles: ['S'], sessions: ['A'], people, seed: 5 })) {
    yield { path: `${name.slice(0, 4)}/${name}`, content: jpeg };
  }
}

beforeAll(async () => {
  rig = await startRig();
  faces = (await run(claimOf('import', importParams(rig.store.add(facesCsv(300)).hash)))).result[
    'version'
  ] as string;
  const archive = await rig.store.put(packArchive(portraits()));
  const params = importParams(archive.hash, { dataset: 'synthetic-kdef', fileName: 'kdef.tar' });
  const { result } = await run(claimOf('import', params));
  kdef = result['version'] as string;
  summary = datasetSummary.parse(result['summary']);
}, 120_000);
afterAll(() => rig.close());

const run = (claim: Claim): Promise<Outcome> => runJob(rig, claim);
const failureOf = (claim: Claim): Promise<unknown> => failedJob(rig, claim);
const contentOf = (outcome: Outcome, role: string): Buffer => Buffer.from(bytesIn(rig, outcome, role));

const kdefData = (more: Partial<PinnedData> = {}): PinnedData => ({
  ...dataOf(kdef),
  dataset: 'synthetic-kdef',
  protocol: 'subject-folds',
  angles: 'frontal',
  ...more,
});

const training = (data: PinnedData) => {
  const params = trainParams(data.version, 1);
  return { ...params, data, train: { ...params.train, batch: 7 } };
};

async function scored(trained: Outcome, params: ReturnType<typeof training>, data: PinnedData) {
  const outcome = await run(
    claimOf(
      'evaluate',
      { data, model: params.model },
      { inputs: { checkpoint: output(trained, 'best') }, inputParams: { checkpoint: params } },
    ),
  );
  const metrics = evaluationResult.parse(JSON.parse(contentOf(outcome, 'metrics').toString()));
  const { tensors } = readSafetensors(contentOf(outcome, 'logits'));
  return { metrics, tensors, hash: output(outcome, 'metrics').hash };
}

describe('pictures in the grammar of KDEF, imported under another name', () => {
  it('are a version with folds, marked as generated', () => {
    expect(summary).toMatchObject({
      format: 'kdef',
      images: 14 * people,
      defaultProtocol: 'subject-folds',
      synthetic: true,
    });
    expect(summary.subjectFolds?.frontal.folds[fold]?.counts.test).toEqual(Array(7).fill(inFold(fold)));
  });

  it('train and are scored within their folds, and across to FER2013 and back', async () => {
    const own = kdefData({ fold });
    const params = training(own);
    const trained = await run(claimOf('train', params));
    const within = await scored(trained, params, own);
    expect(within.metrics).toMatchObject({
      dataset: 'synthetic-kdef',
      protocol: 'subject-folds',
      angles: 'frontal',
    });
    expect(within.metrics.synthetic).toBe(true);
    expect(within.metrics.splits.test.images).toBe(7 * inFold(fold));
    expect(within.metrics.splits.validation?.images).toBe(7 * inFold(fold + 1));

    const toFaces = await scored(trained, params, dataOf(faces));
    expect(toFaces.metrics).toMatchObject({ dataset: 'faces', protocol: 'official' });
    expect(toFaces.metrics.splits.test.images).toBe(40);

    const facesParams = training(dataOf(faces));
    const facesTrained = await run(claimOf('train', facesParams));
    const across = await scored(facesTrained, facesParams, kdefData());
    // Everyone is test, and nobody is left for validation.
    expect(across.metrics.splits.validation).toBeNull();
    expect(across.metrics.splits.test.images).toBe(14 * people);
    expect(Object.keys(across.tensors).sort()).toEqual(['test.labels', 'test.logits']);
    expect(across.metrics.images.test).not.toBe(within.metrics.images.test);

    const trial = (seed: number, trialFold: number | null, metrics: Record<string, string>) => ({
      variant: 'baseline',
      factors: {},
      seed,
      fold: trialFold,
      state: 'succeeded' as const,
      reason: null,
      metrics,
    });
    const table = await run(
      claimOf('ablation', {
        experiment: 'within-and-across',
        specHash: 'a'.repeat(64),
        design: 'none',
        baseline: 'baseline',
        seeds: [0],
        fixedStages: [],
        selectMetric: 'validation.macroF1',
        trials: [
          trial(0, 0, { 'synthetic-kdef': within.hash, faces: toFaces.hash }),
          trial(0, 1, { 'synthetic-kdef': within.hash, faces: toFaces.hash }),
        ],
      }),
    );
    const parsed = ablationTable.parse(JSON.parse(contentOf(table, 'table').toString()));
    expect(parsed.sections.map(({ dataset }) => dataset).sort()).toEqual(['faces', 'synthetic-kdef']);
    expect(parsed.header.join('\n')).toContain('1 seed x 2 folds, averaged over folds first');
    expect(parsed.header.join('\n')).toContain('SYNTHETIC DATA: synthetic-kdef');
  }, 120_000);

  it('refuse to be trained on without a fold', async () => {
    expect(await failureOf(claimOf('train', training(kdefData())))).toMatchObject({
      failureClass: 'user',
      reason: expect.stringContaining('no image to train on'),
    });
  }, 60_000);

  it('refuse to score a network on people whom it was trained on', async () => {
    const params = training(kdefData({ fold }));
    const trained = await run(claimOf('train', params));
    expect(
      await failureOf(
        claimOf(
          'evaluate',
          { data: kdefData(), model: params.model },
          { inputs: { checkpoint: output(trained, 'best') }, inputParams: { checkpoint: params } },
        ),
      ),
    ).toMatchObject({ failureClass: 'user', reason: expect.stringMatching(/^leak: /) });
  }, 60_000);

  it('end an import as the user can mend it where a folder holds something else', async () => {
    async function* holiday(): AsyncGenerator<{ path: string; content: Uint8Array }> {
      for await (const { content } of portraits()) {
        yield { path: 'holiday/beach.jpg', content };
        yield { path: 'holiday/AF01XXS.JPG', content };
        return;
      }
    }
    const { hash } = await rig.store.put(packArchive(holiday()));
    expect(await failureOf(claimOf('import', importParams(hash)))).toMatchObject({
      failureClass: 'user',
      reason: expect.stringMatching(/2 bad pictures[^]*holiday\/AF01XXS\.JPG[^]*holiday\/beach\.jpg/),
    });
  });
});
