import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  attackRuns,
  experimentDetail,
  robustnessTable,
  type EvaluationResult,
  type JobItem,
  type ProblemDetails,
  type RobustnessResult,
  type TrialItem,
} from '@ferment/contracts';
import { renderRobustnessTable } from '@ferment/statistics';
import request from 'supertest';
import { importFaces, spec, startInstallation, type Installation } from './support/installation.js';
import { evaluation, finishTrial, makeTable, textOf } from './support/results.js';

let installation: Installation;

beforeAll(async () => {
  installation = await startInstallation();
  await importFaces(installation);
}, 60_000);
afterAll(() => installation.stop(), 30_000);

const get = (path: string) =>
  request(installation.api.url)
    .get(`/api/v1/${path}`)
    .set({ Authorization: `Bearer ${installation.secrets.viewer}` });

async function submit(text: string) {
  const answer = await request(installation.api.url)
    .post('/api/v1/experiments')
    .set({ Authorization: `Bearer ${installation.secrets.researcher}` })
    .send({ text })
    .expect(201);
  return experimentDetail.parse(answer.body);
}

const attackedSpec = (refine: string) => `
specVersion: 1
name: attacked
data: { dataset: faces }
stages:
  clean: { kind: refine, steps: [${refine}] }
  plain:
    kind: train
    data: clean
    model: { name: vgg, width: 0.12 }
    train: { epochs: 2, batch: 32 }
result: plain
evaluate:
  attackImages: 100
  attacks: [{ fgsm: { epsilon: [2/255, 8/255] } }]
seeds: [0, 1]
`;

function robustness(clean: number): RobustnessResult {
  const perClass = Array<number>(7).fill(clean);
  const attacks = attackRuns([{ fgsm: { epsilon: [2 / 255, 8 / 255] } }]).map((run, index) => ({
    ...run,
    accuracy: clean - 0.1 * (index + 1),
    perClass,
  }));
  return {
    images: 100,
    imagesHash: 'a'.repeat(64),
    clean,
    cleanPerClass: perClass,
    attacks,
    worstCase: attacks.map(({ epsilon, accuracy }) => ({ epsilon, accuracy })),
    corruptions: [],
    cost: {
      parameters: 1000,
      macs: 5000,
      latency: { median: 3, p95: 4, unit: 'ms', batch: 1, threads: 1, runs: 50 },
    },
    sanity: [{ check: 'no-vanishing-gradients', passed: clean > 0.5, detail: 'zero for 40 of 100 images' }],
  };
}

const attacked =
  (accuracy: number) =>
  ({ params }: JobItem): EvaluationResult => {
    expect(params).toMatchObject({ robustness: { attackImages: 100 } });
    return evaluation(accuracy, { robustness: robustness(accuracy) });
  };

async function trialsOf(id: string): Promise<[TrialItem, TrialItem]> {
  const trials = (await get(`experiments/${id}/trials`)).body as TrialItem[];
  const [first, second] = trials.sort((a, b) => a.seed - b.seed);
  if (!first || !second) throw new Error('expected two trials');
  return [first, second];
}

describe('the robustness table', () => {
  it('follows the results, in every form, with failed checks and what is said on demand', async () => {
    const { id, ...experiment } = await submit(attackedSpec('{ align: {} }'));
    const path = `experiments/${id}/tables/robustness`;
    const [first, second] = await trialsOf(id);
    expect(((await get(path).expect(404)).body as ProblemDetails).detail).toContain('first finished trial');

    await finishTrial(installation, first, attacked(0.6));
    await makeTable(installation, { id, ...experiment }, 'unfinished');
    const early = robustnessTable.parse((await get(path).expect(200)).body);
    expect(early).toMatchObject({ incomplete: true, suspect: false });

    await finishTrial(installation, second, attacked(0.4));
    await makeTable(installation, { id, ...experiment }, 'succeeded');
    const table = robustnessTable.parse((await get(path).expect(200)).body);
    expect(table).toMatchObject({ incomplete: false, suspect: true });
    const [section] = table.sections;
    expect(section).toMatchObject({
      trainedOn: ['faces'],
      acrossDatasets: false,
      attackAfterPreprocessing: true,
      images: { test: 350, attacked: 100 },
    });
    const worst = section?.columns.findLast(({ kind }) => kind === 'worst-case')?.key ?? '';
    const values = section?.configurations[0]?.cells[worst]?.values.map((value) => value.toFixed(6));
    expect(values).toEqual(['0.400000', '0.200000']);
    expect(section?.configurations[0]?.failedChecks).toMatchObject([
      { check: 'no-vanishing-gradients', failures: [{ seed: 1 }] },
    ]);

    for (const [format, type, as] of [
      ['text', /^text\/plain/, 'text'],
      ['csv', /^text\/csv/, 'csv'],
      ['md', /^text\/markdown/, 'markdown'],
      ['latex', /^application\/x-tex/, 'latex'],
    ] as const) {
      for (const perClass of [false, true]) {
        const answer = await get(path)
          .query({ format, perClass })
          .buffer(true)
          .parse(textOf)
          .expect(200)
          .expect('Content-Type', type);
        expect(answer.body).toBe(renderRobustnessTable(table, as, { perClass }));
        expect(answer.headers['content-disposition']).toContain('attacked-robustness.');
      }
    }
    await get(path).query({ format: 'pdf' }).expect(422);
    await get(path).query({ perClass: 'maybe' }).expect(422);

    const ablation = (await get(`experiments/${id}/tables/ablation`).expect(200)).body as object;
    expect(ablation).not.toHaveProperty('robustness');
  });

  it('does not say that test pictures were aligned where only training pictures were', async () => {
    const experiment = await submit(attackedSpec('{ align: { apply: train } }'));
    const [first] = await trialsOf(experiment.id);
    await finishTrial(installation, first, attacked(0.6));
    await makeTable(installation, experiment, 'unfinished');
    const answer = await get(`experiments/${experiment.id}/tables/robustness`).expect(200);
    const [section] = robustnessTable.parse(answer.body).sections;
    expect(section).toMatchObject({ attackAfterPreprocessing: false, trainedOn: ['faces'] });
  });

  it('says what to do where the spec asks for no attacks', async () => {
    const { id } = await submit(spec.replace('name: grid', 'name: unattacked'));
    const answer = await get(`experiments/${id}/tables/robustness`).expect(404);
    expect((answer.body as ProblemDetails).detail).toMatch(/asks for no attacks.*evaluate\.attacks/);
    await get('experiments/00000000-0000-4000-8000-000000000000/tables/robustness').expect(404);
  });
});
