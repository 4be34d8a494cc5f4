/** What is told of an experiment's results: how reliable their confidence is, and what they are made of. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  bestTrials,
  evaluationResult,
  experimentDetail,
  experimentGraph,
  preview,
  reliability,
  writeSafetensors,
  type ExperimentDetail,
  type JobItem,
  type ProblemDetails,
  type TrialItem,
} from '@ferment/contracts';
import { scoreLogits } from '@ferment/statistics';
import request from 'supertest';
import { importFaces, spec, startInstallation, type Installation } from './support/installation.js';
import { modelCard } from '../src/jobs/model-card.js';
import { evaluation, finishTrial, makeTable } from './support/results.js';

let installation: Installation;
let experiment: ExperimentDetail;
let finished: TrialItem;

/** Logits of seven classes whose softmax gives `confidence` to class 0; the label says whether that is right. */
function logitsOf(images: readonly { confidence: number; right: boolean }[]) {
  const rows = images.flatMap(({ confidence }) => [
    confidence,
    ...Array<number>(6).fill((1 - confidence) / 6),
  ]);
  return {
    logits: Float32Array.from(rows.map(Math.log)),
    labels: Int32Array.from(images.map(({ right }) => (right ? 0 : 1))),
  };
}

const test = logitsOf([
  { confidence: 0.7, right: true },
  { confidence: 0.5, right: true },
  { confidence: 0.6, right: false },
  { confidence: 0.9, right: true },
  { confidence: 0.92, right: false },
]);
const validation = logitsOf([{ confidence: 0.95, right: true }]);

const tensors = ({ logits, labels }: typeof test, split: string) => ({
  [`${split}.logits`]: { dtype: 'F32' as const, shape: [labels.length, 7], data: logits },
  [`${split}.labels`]: { dtype: 'I32' as const, shape: [labels.length], data: labels },
});

const fileOf = ({ kind }: JobItem, role: string) =>
  kind === 'evaluate' && role === 'logits'
    ? writeSafetensors({ ...tensors(validation, 'validation'), ...tensors(test, 'test') })
    : null;

const get = (path: string) =>
  request(installation.api.url)
    .get(`/api/v1/${path}`)
    .set({ Authorization: `Bearer ${installation.secrets.viewer}` });

beforeAll(async () => {
  installation = await startInstallation();
  await importFaces(installation);
  const answer = await request(installation.api.url)
    .post('/api/v1/experiments')
    .set({ Authorization: `Bearer ${installation.secrets.researcher}` })
    .send({ text: spec })
    .expect(201);
  experiment = experimentDetail.parse(answer.body);
  const trials = (await get(`experiments/${experiment.id}/trials`)).body as TrialItem[];
  const [first] = trials;
  if (!first) throw new Error('expected trials');
  finished = first;
  await finishTrial(installation, first, () => evaluation(0.6), fileOf);
}, 60_000);
afterAll(() => installation.stop(), 30_000);

describe('the best trials of any experiment', () => {
  it('are ranked on validation of one data set, with their costs and what chose their checkpoint', async () => {
    const answer = bestTrials.parse((await get('trials/best').expect(200)).body);
    expect(answer).toMatchObject({ dataset: 'faces', datasets: ['faces'], metric: 'validation.macroF1' });
    expect(answer.items.map(({ trial }) => trial.id)).toEqual([finished.id]);
    const [best] = answer.items;
    expect(best).toMatchObject({
      experiment: { id: experiment.id, name: experiment.name },
      datasetVersion: experiment.datasets[0]?.version,
      value: best?.trial.summary['faces']?.validation?.macroF1,
      selectedBy: experiment.spec.select.metric,
    });
    const { parameters, macs } = evaluation(0.6);
    expect(best?.trial.cost).toMatchObject({ parameters, macs, latency: null });
  });

  it('are none on data that nothing was tested on, and never ranked on test', async () => {
    expect(bestTrials.parse((await get('trials/best?dataset=other').expect(200)).body).items).toEqual([]);
    await get('trials/best?metric=test.accuracy').expect(422);
  });
});

describe('the reliability of a trial', () => {
  it('is in the bins of the calibration error, whose figure it repeats to the last digit', async () => {
    const answer = await get(`trials/${finished.id}/reliability`).expect(200);
    const { dataset, splits } = reliability.parse(answer.body);
    expect(dataset).toBe('faces');
    expect(splits.test.ece).toBe(scoreLogits(test.logits, test.labels, 7).ece);
    // 0.9 and 0.92 share the bin (13/15, 14/15]: one of two right at 0.91; the others are alone in theirs.
    expect(splits.test.ece).toBeCloseTo((0.3 + 0.5 + 0.6 + 2 * 0.41) / 5, 6);
    expect(splits.test.bins).toHaveLength(15);
    expect(splits.test.bins[13]).toMatchObject({ low: 13 / 15, high: 14 / 15, images: 2, accuracy: 0.5 });
    expect(splits.test.bins[13]?.confidence).toBeCloseTo(0.91, 6);
    expect(splits.test.bins[0]).toEqual({
      low: 0,
      high: 1 / 15,
      images: 0,
      accuracy: null,
      confidence: null,
    });
    expect(splits.test).toMatchObject({ images: 5, accuracy: 0.6 });
    expect(splits.test.confidence).toBeCloseTo(3.62 / 5, 6);
    expect(splits.validation).toMatchObject({ images: 1, accuracy: 1 });
  });

  it('is refused where there is nothing to tell it from', async () => {
    const other = ((await get(`experiments/${experiment.id}/trials`)).body as TrialItem[]).find(
      ({ state }) => state !== 'succeeded',
    );
    const early = await get(`trials/${other?.id}/reliability`).expect(404);
    expect((early.body as ProblemDetails).detail).toContain('no figures on faces yet');
    const elsewhere = await get(`trials/${finished.id}/reliability?dataset=others`).expect(404);
    expect((elsewhere.body as ProblemDetails).detail).toContain('not evaluated on a data set others');
  });
});

describe('the model card of a trial', () => {
  const card = async (id: string) => (await get(`trials/${id}/card`).buffer(true).expect(200)).text;

  it('says what the result is, with its figures, intervals and hashes, and nothing that was not measured', async () => {
    const text = await card(finished.id);
    expect(text).toMatch(/^# grid: /);
    for (const title of [
      'Intended use',
      'Data',
      'Training',
      'Results',
      'Robustness',
      'Calibration',
      'Limits',
    ])
      expect(text).toContain(`\n## ${title}\n`);
    for (const { version } of experiment.datasets) expect(text).toContain(version);
    expect(text).toContain('| Accuracy | 0.6000 | 0.6000 |');
    // 210 of 350 pictures: Wilson's interval.
    expect(text).toContain('[0.5479, 0.6500]');
    expect(text).toContain('Not attacked and not corrupted');
    expect(text).toContain('confidence 0.7240, accuracy 0.6000');
    expect(text).toContain('### teacher (train)');
    expect(text.indexOf('### teacher (train)')).toBeLessThan(text.indexOf('### student (distill)'));
    const onnx = ((await get(`trials/${finished.id}`)).body as TrialItem).downloads.onnx;
    expect(text).toContain(onnx?.hash ?? 'no file');
  });

  it('holds a spec that gives the same experiment again, all of it known', async () => {
    const text = await card(finished.id);
    const spec = /```json\n(\{\n {2}"specVersion[^]*?)\n```/.exec(text)?.[1] ?? '';
    const answer = await request(installation.api.url)
      .post('/api/v1/experiments/preview')
      .set({ Authorization: `Bearer ${installation.secrets.viewer}` })
      .send({ text: spec })
      .expect(200);
    expect(preview.parse(answer.body).specHash).toBe(experiment.specHash);
  });

  it('has the mean over seeds once there is a table, and is marked where robustness is suspect', async () => {
    await makeTable(installation, experiment, 'unfinished');
    expect(await card(finished.id)).toMatch(/\| Accuracy \| 0\.6000 \| 0\.6000 \| 0\.6000 \(n = 1\) \|/);
    const jobs: Record<string, JobItem> = {};
    for (const [role, id] of Object.entries(finished.jobs))
      jobs[role] = (await get(`jobs/${id}`)).body as JobItem;
    const own = jobs['evaluate:faces'];
    if (!own) throw new Error('expected an evaluation');
    const attacked = evaluationResult.parse({
      ...evaluation(0.6),
      synthetic: true,
      robustness: {
        ...{ images: 100, imagesHash: 'a'.repeat(64), clean: 0.61, cleanPerClass: Array(7).fill(0.6) },
        attacks: [
          ...[
            { attack: 'fgsm', epsilon: 8 / 255, steps: 1, restarts: 1, stepSize: 8 / 255, accuracy: 0.31 },
          ].map((attack) => ({ ...attack, perClass: Array(7).fill(0.3) })),
        ],
        worstCase: [{ epsilon: 8 / 255, accuracy: 0.29 }],
        corruptions: [
          { kind: 'contrast', severity: 1, accuracy: 0.5 },
          { kind: 'contrast', severity: 5, accuracy: 0.4 },
        ],
        cost: { parameters: 1000, macs: 5000, latency: null },
        sanity: [{ check: 'no-vanishing-gradients', passed: false, detail: 'zero for 40 of 100 images' }],
      },
    });
    const text = modelCard({
      ...{ experiment, trial: finished, table: null, reliability: null, version: 'test' },
      jobs: { ...jobs, 'evaluate:faces': { ...own, result: attacked } },
    });
    expect(text).toContain('**SUSPECT**: 1 of 1 sanity checks failed');
    expect(text).toContain('| **worst case of all** | 8/255 | – | 0.2900 |');
    expect(text).toContain('| Contrast | 1, 5 | 0.4500 |');
    expect(text).toContain('GENERATED faces');
    expect(text).not.toContain('Latency');
  });
});

describe('the graph of an experiment', () => {
  it('has a node for each role, whose counts are those of the jobs, and an edge for each that reads another', async () => {
    const { nodes, edges } = experimentGraph.parse(
      (await get(`experiments/${experiment.id}/graph`).expect(200)).body,
    );
    const jobs = (await get(`experiments/${experiment.id}/jobs`)).body as JobItem[];
    const trials = (await get(`experiments/${experiment.id}/trials`)).body as TrialItem[];
    const node = (id: string) => nodes.find((one) => one.id === id);
    expect(nodes.map(({ id }) => id).sort()).toEqual(
      [...new Set(trials.flatMap((trial) => Object.entries(trial.jobs)))]
        .map(([role, id]) => `${jobs.find((job) => job.id === id)?.kind} ${role}`)
        .filter((id, index, all) => all.indexOf(id) === index)
        .sort(),
    );
    expect(nodes.reduce((sum, one) => sum + one.jobs, 0)).toBe(jobs.length);
    // One teacher serves every trial and is finished; of the students only the finished trial's is.
    expect(node('train teacher')).toMatchObject({ jobs: 1, uses: trials.length, states: { succeeded: 1 } });
    const students = node('distill student');
    expect(students).toMatchObject({ jobs: trials.length, uses: trials.length, cached: 0, elsewhere: 0 });
    expect(students?.states).toEqual({ succeeded: 1, ready: trials.length - 1 });
    const inputs = edges.find(({ from, to }) => from === 'train teacher' && to === 'distill student')?.inputs;
    expect(inputs).toBe(trials.length);
    expect(edges.map(({ from, to }) => `${from} > ${to}`)).toContain(
      'distill student > evaluate evaluate:faces',
    );
    expect(edges.some(({ from, to }) => from === to)).toBe(false);
  });

  it('has no edge between roles of different trials, where one job plays both', async () => {
    const text = `
specVersion: 1
name: twice
data: { dataset: faces }
stages:
  teacher: { kind: train, seed: 0, model: { name: vgg, width: 0.3 }, train: { epochs: 2, batch: 32 } }
  student: { kind: distill, teachers: [teacher], model: { name: vgg, width: 0.3 }, method: { name: kd }, train: { epochs: 2, batch: 32 } }
result: student
seeds: [0]
ablation: { design: one-at-a-time, factors: { teacher: { none: { stages.student.kind: train } } } }
`;
    const answer = await request(installation.api.url)
      .post('/api/v1/experiments')
      .set({ Authorization: `Bearer ${installation.secrets.researcher}` })
      .send({ text })
      .expect(201);
    const { id } = experimentDetail.parse(answer.body);
    const trials = (await get(`experiments/${id}/trials`)).body as TrialItem[];
    const plain = trials.find(({ jobs }) => jobs['teacher'] === undefined);
    const taught = trials.find(({ jobs }) => jobs['teacher'] !== undefined);
    // The student that nobody teaches is the teacher of the other: the same work.
    expect(plain?.jobs['student']).toBe(taught?.jobs['teacher']);
    const { edges } = experimentGraph.parse((await get(`experiments/${id}/graph`)).body);
    const told = edges.map(({ from, to }) => `${from} > ${to}`);
    expect(told).toContain('train teacher > evaluate evaluate:faces:teacher');
    expect(told).toContain('train student > evaluate evaluate:faces');
    expect(told).not.toContain('train student > evaluate evaluate:faces:teacher');
    expect(told).not.toContain('train student > distill student');
  });

  it('marks what was there before, and what others ask for as well', async () => {
    const again = await request(installation.api.url)
      .post('/api/v1/experiments')
      .set({ Authorization: `Bearer ${installation.secrets.researcher}` })
      .send({ text: spec.replace('name: grid', 'name: again') })
      .expect(201);
    const { id } = experimentDetail.parse(again.body);
    const second = experimentGraph.parse((await get(`experiments/${id}/graph`)).body);
    expect(second.nodes.find((one) => one.id === 'train teacher')).toMatchObject({ cached: 1, elsewhere: 1 });
    const { nodes } = experimentGraph.parse((await get(`experiments/${experiment.id}/graph`)).body);
    expect(nodes.find((one) => one.id === 'train teacher')).toMatchObject({ cached: 0, elsewhere: 1 });
  });
});
