/** What is told of an experiment's results: how reliable their confidence is, and what they are made of. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  experimentDetail,
  experimentGraph,
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
import { evaluation, finishTrial } from './support/results.js';

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
