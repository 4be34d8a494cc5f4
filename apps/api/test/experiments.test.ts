import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { ExperimentDetail, JobItem, ProblemDetails, TrialItem } from '@ferment/contracts';
import {
  ablationTable as ablationTableSchema,
  experimentDetail,
  experimentText,
  exportCatalog,
  exportFormats,
  jobItem,
  preview,
  trialItem,
} from '@ferment/contracts';
import { openQueues } from '@ferment/platform';
import { renderTable } from '@ferment/statistics';
import request from 'supertest';
import { importFaces, type Installation, spec, startInstallation, until } from './support/installation.js';
import { evaluation, finishTrial, makeTable, textOf } from './support/results.js';

interface Page<T> {
  items: T[];
  next: string | null;
}

let installation: Installation;
let version: string;

beforeAll(async () => {
  installation = await startInstallation();
  version = await importFaces(installation);
}, 60_000);
afterAll(() => installation.stop(), 30_000);

const as = (role: 'viewer' | 'researcher') => ({ Authorization: `Bearer ${installation.secrets[role]}` });
const get = (path: string) => request(installation.api.url).get(`/api/v1/${path}`).set(as('viewer'));
const post = (path: string) => request(installation.api.url).post(`/api/v1/${path}`).set(as('researcher'));
const named = (name: string) => spec.replace('name: grid', `name: ${name}`);

async function submit(text: string): Promise<ExperimentDetail> {
  const answer = await post('experiments').send({ text }).expect(201);
  return experimentDetail.parse(answer.body);
}

describe('a spec that cannot be', () => {
  const refused = async (text: string): Promise<ProblemDetails> => {
    const before = await get('experiments').expect(200);
    for (const path of ['experiments/preview', 'experiments']) {
      const answer = await post(path)
        .send({ text })
        .expect(422)
        .expect('Content-Type', /application\/problem\+json/);
      const after = await get('experiments').expect(200);
      expect(after.body).toEqual(before.body);
      if (path === 'experiments') return answer.body as ProblemDetails;
    }
    throw new Error('unreachable');
  };

  it('names the path, the line and the nearest name of an unknown key', async () => {
    const body = await refused(spec.replace('method: { name: kd }', 'method: { name: kd, temprature: 2 }'));
    expect(body.problems).toEqual([
      expect.objectContaining({
        path: 'stages.student.method.temprature',
        line: 11,
        suggestion: 'temperature',
      }),
    ]);
    expect(body.detail).toContain('Did you mean "temperature"?');
  });

  it('names every offending key', async () => {
    const body = await refused(
      spec.replace('epochs: 2, batch: 32', 'epochs: 0, batch: 32').replace('seeds: [0, 1]', 'seeds: []'),
    );
    expect(body.problems?.map(({ path }) => path).sort()).toEqual(['seeds', 'stages.teacher.train.epochs']);
  });

  it('names a data set that is not there, and the nearest one', async () => {
    const body = await refused(spec.replace('dataset: faces', 'dataset: facs'));
    expect(body.problems?.[0]).toMatchObject({ path: 'data.dataset', suggestion: 'faces' });
  });

  it('names a teacher that is not there', async () => {
    const body = await refused(spec.replace('teachers: [teacher]', 'teachers: [techer]'));
    expect(body.problems?.[0]).toMatchObject({ suggestion: 'teacher' });
    expect(body.problems?.[0]?.path).toMatch(/^stages\.student\.teachers/);
  });

  it('names weights that nobody has uploaded, and takes those that were', async () => {
    const bytes = Buffer.from('weights');
    const file = createHash('sha256').update(bytes).digest('hex');
    const text = spec.replace(
      'stages:\n',
      `stages:\n  imagenet: { kind: weights, file: ${file}, model: { name: vgg, width: 0.25 }, except: [classifier] }\n`,
    );
    const started = text.replace('kind: train, seed: 0,', 'kind: train, seed: 0, start: imagenet,');
    const body = await refused(started);
    expect(body.problems?.[0]).toMatchObject({ path: 'stages.imagenet.file', line: 6 });
    expect(body.detail).toContain('ferment checkpoint upload');

    const stored = await post('artifacts')
      .set('Content-Type', 'application/octet-stream')
      .send(bytes)
      .expect(201);
    expect(stored.body).toEqual({ hash: file, bytes: bytes.length });
    const told = preview.parse((await post('experiments/preview').send({ text: started }).expect(200)).body);
    expect(told.warnings.join()).toContain('come from a file');
    expect(told.jobs.byKind).toMatchObject({ weights: 1 });
  });

  it('is refused when the batch is larger than the split', async () => {
    const body = await refused(spec.replaceAll('batch: 32', 'batch: 8192'));
    expect(body.problems?.[0]?.path).toBe('stages.teacher.train.batch');
  });

  it('is refused when it is no YAML', async () => {
    const body = await refused('a: [1');
    expect(body.problems?.[0]?.line).toEqual(expect.any(Number));
  });

  it('is refused for a project that is not there', async () => {
    const answer = await post('experiments').send({ text: spec, project: 'nowhere' }).expect(422);
    expect((answer.body as ProblemDetails).problems?.[0]?.path).toBe('project');
  });

  it('a body with another shape names its keys', async () => {
    const both = await post('experiments').send({ text: spec, spec: {}, frsh: true }).expect(422);
    expect((both.body as ProblemDetails).problems).toContainEqual(expect.objectContaining({ path: 'frsh' }));
    await post('experiments').set('Content-Type', 'application/json').send('{"text"').expect(400);
    await post('experiments').set('Content-Type', 'text/plain').send('text').expect(422);
  });
});

describe('submission', () => {
  it('previews without writing anything', async () => {
    const answer = await post('experiments/preview')
      .send({ text: named('previewed') })
      .expect(200);
    const told = preview.parse(answer.body);
    // One shared teacher and two students for each of two seeds; sharing saves three teachers.
    expect(told.trials).toBe(4);
    expect(told.trainings).toEqual({ withoutSharing: 8, planned: 5, cached: 0, outOfFold: 0 });
    expect(told.compute.estimatedSeconds).toBeNull();
    expect(told.seedsNeeded?.note).toMatch(
      /permutation test needs \d+ seeds .*paired t test sees.* 1, 1\.5 or 2 standard deviations .* from \d+, \d+ or \d+ seeds on/,
    );
    const listed = await get('experiments').query({ search: 'previewed' }).expect(200);
    expect((listed.body as Page<unknown>).items).toEqual([]);
  });

  it('writes the complete spec, pinned, with trials and jobs, and hands ready jobs to the queue', async () => {
    const experiment = await submit(named('queued'));
    expect(experiment.spec.data).toMatchObject({ dataset: 'faces', version, protocol: 'official' });
    expect(experiment.spec.select.metric).toBe('validation.macroF1');
    expect(experiment.trials).toMatchObject({ waiting: 4 });

    const trials = trialItem
      .array()
      .parse((await get(`experiments/${experiment.id}/trials`).expect(200)).body);
    expect(new Set(trials.map(({ variant, seed }) => `${variant} ${seed}`)).size).toBe(4);
    expect(new Set(trials.map(({ jobs }) => jobs['teacher'])).size).toBe(1);

    const jobs = jobItem.array().parse((await get(`experiments/${experiment.id}/jobs`).expect(200)).body);
    expect(jobs.filter(({ kind }) => kind === 'train').map(({ state }) => state)).toEqual(['ready']);
    expect(jobs.filter(({ kind }) => kind === 'distill').map(({ state }) => state)).toEqual(
      Array(4).fill('pending'),
    );

    const teacher = jobs.find(({ kind }) => kind === 'train');
    const queues = openQueues(installation.settings.queue);
    try {
      await until(async () => {
        const waiting = await queues.cpu.getJobs(['waiting', 'prioritized', 'delayed']);
        return waiting.some((job) => job.data.jobId === teacher?.id);
      }, 'the teacher in the queue');
    } finally {
      await queues.close();
    }
  });

  it('with the same Idempotency-Key makes one experiment, however often and however fast it is sent', async () => {
    const send = (text: string) => post('experiments').set('Idempotency-Key', 'key-1').send({ text });
    const answers = await Promise.all([1, 2, 3, 4].map(() => send(named('once'))));
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(answers.map(({ body }) => (body as ExperimentDetail).id)).size).toBe(1);
    await send(named('another')).expect(409);
    await send(named('once'))
      .send({ text: named('once'), fresh: true })
      .expect(409);
    await send(named('once'))
      .send({ text: named('once'), project: 'other' })
      .expect(409);
    const without = await submit(named('once'));
    expect(without.id).not.toBe((answers[0]?.body as ExperimentDetail).id);
    await post('experiments').set('Idempotency-Key', 'two words').send({ text: spec }).expect(422);
  });

  it('shares jobs with an experiment that means the same', async () => {
    const first = await submit(named('first'));
    const second = await submit(named('second'));
    const keys = async (id: string) =>
      new Set(
        jobItem
          .array()
          .parse((await get(`experiments/${id}/jobs`)).body)
          .map(({ id: job }) => job),
      );
    expect(await keys(second.id)).toEqual(await keys(first.id));
  });

  it('computes everything anew when asked to', async () => {
    const first = await submit(named('fresh'));
    const answer = await post('experiments')
      .send({ text: named('fresh'), fresh: true })
      .expect(201);
    const keys = async (id: string) =>
      jobItem
        .array()
        .parse((await get(`experiments/${id}/jobs`)).body)
        .map(({ key }) => key);
    const known = new Set(await keys(first.id));
    expect((await keys((answer.body as ExperimentDetail).id)).some((key) => known.has(key))).toBe(false);
  });

  it('gives a spec back as it was submitted, comments and all; one that came as a value without its defaults', async () => {
    const text = `# why it is run\n${named('given-back')}`;
    const { id, spec: complete } = await submit(text);
    const answer = await get(`experiments/${id}/text`).expect(200);
    expect(answer.body).toEqual({ text, submitted: true });
    const valued = await post('experiments').send({ spec: complete }).expect(201);
    const { id: second } = experimentDetail.parse(valued.body);
    const made = experimentText.parse((await get(`experiments/${second}/text`).expect(200)).body);
    expect(made.submitted).toBe(false);
    expect(made.text).not.toContain('priority');
    const again = await submit(made.text);
    expect(again.spec).toEqual(complete);
  });

  it('takes a spec as a value, too', async () => {
    const text = await submit(named('as-text'));
    const answer = await post('experiments').send({ spec: text.spec }).expect(201);
    expect((answer.body as ExperimentDetail).specHash).toBe(text.specHash);
  });
});

describe('lists', () => {
  it('give every experiment once, page by page, while others are added', async () => {
    const names = ['page-a', 'page-b', 'page-c', 'page-d', 'page-e'];
    for (const name of names) await submit(named(name));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query = { limit: 2, search: 'page-', ...(cursor === null ? {} : { cursor }) };
      const answer = await get('experiments').query(query).expect(200);
      const page = answer.body as Page<{ name: string }>;
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map(({ name }) => name));
      cursor = page.next;
      if (seen.length === 2) await submit(named('page-late'));
    } while (cursor !== null);
    expect(seen).toEqual([...names].reverse());
  });

  it('leave out what has another tag or is in another state', async () => {
    const tagged = await submit(`${named('tagged')}tags: [paper, kd]\n`);
    await submit(`${named('tagged-otherwise')}tags: [paper-2]\n`);
    const names = async (query: object) =>
      ((await get('experiments').query(query).expect(200)).body as Page<{ name: string }>).items.map(
        ({ name }) => name,
      );
    expect(await names({ tag: 'paper' })).toEqual(['tagged']);
    expect(await names({ search: 'paper' })).toEqual(['tagged-otherwise', 'tagged']);
    expect(await names({ tag: 'paper', state: tagged.state })).toEqual(['tagged']);
    expect(await names({ tag: 'paper', state: 'failed' })).toEqual([]);
    await get('experiments').query({ state: 'lost' }).expect(422);
  });

  it('refuse wrong pages by name', async () => {
    const answer = await get('experiments').query({ limit: 0 }).expect(422);
    expect((answer.body as ProblemDetails).problems?.[0]?.path).toBe('limit');
  });

  it('answer 304 while nothing has changed', async () => {
    const first = await get('datasets').expect(200);
    await get('datasets').set('If-None-Match', String(first.headers['etag'])).expect(304);
  });

  it('say 404 for what is not there and 422 for what is no id', async () => {
    const unknown = '6f9619ff-8b86-4011-b42d-00c04fc964ff';
    for (const path of ['', '/trials', '/jobs', '/checkpoints/best', '/tables/ablation']) {
      await get(`experiments/${unknown}${path}`).expect(404);
      const answer = await get(`experiments/none${path}`).expect(422);
      expect((answer.body as ProblemDetails).problems?.[0]?.path).toBe('id');
    }
    for (const path of ['', '/metrics', '/checkpoints']) await get(`jobs/${unknown}${path}`).expect(404);
    await get(`trials/${unknown}`).expect(404);
    await get('datasets/nothing').expect(404);
  });
});

describe('cancelling', () => {
  it('ends an experiment and the jobs that only it wants', async () => {
    const own = named('cancelled').replace('width: 0.25', 'width: 0.3');
    const experiment = await submit(own);
    const answer = await post(`experiments/${experiment.id}/cancel`).expect(200);
    expect(answer.body).toMatchObject({ state: 'cancelled' });
    const jobs = (await get(`experiments/${experiment.id}/jobs`)).body as JobItem[];
    expect(new Set(jobs.map(({ state }) => state))).toEqual(new Set(['cancelled']));
    await post(`experiments/${experiment.id}/cancel`).expect(200);
  });

  it('leaves jobs that another experiment wants', async () => {
    const shared = (name: string) => named(name).replace('width: 0.25', 'width: 0.35');
    const [leaving, staying] = [await submit(shared('leaving')), await submit(shared('staying'))];
    await post(`experiments/${leaving.id}/cancel`).expect(200);
    const jobs = (await get(`experiments/${staying.id}/jobs`)).body as JobItem[];
    expect(jobs.map(({ state }) => state)).toContain('ready');
    expect(jobs.map(({ state }) => state)).not.toContain('cancelled');
  });
});

describe('results', () => {
  const small = `
specVersion: 1
name: results
data: { dataset: faces }
stages:
  plain: { kind: train, model: { name: vgg, width: 0.11 }, train: { epochs: 2, batch: 32 } }
result: plain
seeds: [0, 1]
`;

  const finish = (trial: TrialItem, accuracy: number) =>
    finishTrial(installation, trial, () => evaluation(accuracy, { datasetVersion: version }));

  it('become a table that is incomplete until every trial has ended, the best student, and files', async () => {
    const experiment = await submit(small);
    const trials = (await get(`experiments/${experiment.id}/trials`)).body as TrialItem[];
    const [first, second] = trials.sort((a, b) => a.seed - b.seed);
    if (!first || !second) throw new Error('expected two trials');
    await get(`experiments/${experiment.id}/tables/ablation`).expect(404);
    await get(`experiments/${experiment.id}/checkpoints/best`).expect(404);

    const tableNow = async () =>
      ablationTableSchema.parse((await get(`experiments/${experiment.id}/tables/ablation`).expect(200)).body);

    await finish(first, 0.5);
    await makeTable(installation, experiment, 'unfinished');
    const early = await tableNow();
    expect(early.incomplete).toBe(true);
    expect(early.trials.map(({ seed, state }) => [seed, state])).toEqual([
      [0, 'succeeded'],
      [1, 'unfinished'],
    ]);

    const best = await get(`experiments/${experiment.id}/checkpoints/best`).expect(200);
    expect(best.body).toMatchObject({ metric: 'validation.macroF1', value: 0.5, trial: { seed: 0 } });
    const bestResult = async () =>
      ((await get(`experiments/${experiment.id}`).expect(200)).body as ExperimentDetail).best;
    expect(experiment.best).toBeNull();
    expect(await bestResult()).toMatchObject({
      ...{ trialId: first.id, variant: 'baseline', seed: 0, metric: 'validation.macroF1', value: 0.5 },
      test: { accuracy: 0.5 },
    });
    await get(`experiments/${experiment.id}/checkpoints/best`).query({ metric: 'test.accuracy' }).expect(422);

    const file = await get(`trials/${first.id}/download`).query({ format: 'onnx' }).expect(200);
    expect(Buffer.from(file.body as Uint8Array).toString()).toBe('onnx of seed 0');
    expect(file.headers['content-disposition']).toMatch(/attachment; filename=results-baseline-seed0\.onnx/);
    expect(file.headers['etag']).toBe(`"${createHash('sha256').update('onnx of seed 0').digest('hex')}"`);
    for (const format of exportFormats) {
      const { extension, mediaType } = exportCatalog[format];
      const made = await get(`trials/${first.id}/download`).query({ format }).expect(200);
      expect(made.headers['content-type']).toBe(mediaType);
      expect(made.headers['content-disposition']).toMatch(
        new RegExp(`results-baseline-seed0\\.${extension.replaceAll('.', '\\.')}"?$`),
      );
      const hash = createHash('sha256').update(`${format} of seed 0`).digest('hex');
      expect(best.body).toHaveProperty(['files', format, 'hash'], hash);
    }
    await get(`trials/${second.id}/download`).query({ format: 'onnx' }).expect(404);
    await get(`trials/${first.id}/download`).query({ format: 'exe' }).expect(422);

    const compared = await get('trials/compare')
      .query({ ids: `${first.id},${second.id}` })
      .expect(200);
    const { differences } = compared.body as { differences: { path: string; values: unknown[] }[] };
    expect(differences).toContainEqual({ path: 'seed', values: [0, 1] });
    expect(differences).toContainEqual({ path: 'plain.seed', values: [0, 1] });
    expect(differences.some(({ path }) => path.startsWith('plain.model'))).toBe(false);

    await finish(second, 0.7);
    await makeTable(installation, experiment, 'succeeded');
    const table = await tableNow();
    expect(table.incomplete).toBe(false);
    const accuracy = table.sections[0]?.configurations[0]?.metrics['test.accuracy'];
    expect(accuracy?.values).toEqual([0.5, 0.7]);
    expect(accuracy?.mean).toBeCloseTo(0.6, 12);
    expect((await get(`experiments/${experiment.id}`)).body).toMatchObject({
      state: 'succeeded',
      table: { complete: true },
    });
    const better = await get(`experiments/${experiment.id}/checkpoints/best`).expect(200);
    expect(better.body).toMatchObject({ value: 0.7, trial: { seed: 1 } });
    for (const [format, type, as] of [
      ['text', /^text\/plain/, 'text'],
      ['csv', /^text\/csv/, 'csv'],
      ['md', /^text\/markdown/, 'markdown'],
      ['latex', /^application\/x-tex/, 'latex'],
    ] as const) {
      const answer = await get(`experiments/${experiment.id}/tables/ablation`)
        .query({ format })
        .buffer(true)
        .parse(textOf)
        .expect(200)
        .expect('Content-Type', type);
      expect(answer.body).toBe(renderTable(table, as));
    }
    await get(`experiments/${experiment.id}/tables/ablation`).query({ format: 'pdf' }).expect(422);
    const part = (query: object) => get(`experiments/${experiment.id}/tables/ablation`).query(query);
    const one = await part({ format: 'md', dataset: 'faces', split: 'test' }).expect(200);
    expect(one.text.match(/^\*\*/gm)).toHaveLength(1);
    const none = await part({ dataset: 'elsewhere' }).expect(404);
    expect((none.body as { detail: string }).detail).toContain('faces');
    await part({ metric: 'validation.accuracy' }).expect(422);

    // A table and a file that are gone from the store are made again by their jobs.
    const tableHash = experimentDetail.parse((await get(`experiments/${experiment.id}`)).body).table?.hash;
    if (tableHash === undefined) throw new Error('expected a table');
    await installation.store.delete(tableHash);
    const away = await get(`experiments/${experiment.id}/tables/ablation`).expect(503);
    expect(away.headers['retry-after']).toBe('10');
    expect((away.body as ProblemDetails).detail).toContain('being made again');
    await makeTable(installation, experiment, 'succeeded');
    expect(await tableNow()).toEqual(table);
    await installation.store.delete(createHash('sha256').update('onnx of seed 0').digest('hex'));
    for (let repeat = 0; repeat < 2; repeat++) {
      await get(`trials/${first.id}/download`).query({ format: 'onnx' }).expect(503);
    }
    await finish(first, 0.5);
    await get(`trials/${first.id}/download`).query({ format: 'onnx' }).expect(200);

    const told = preview.parse(
      (
        await post('experiments/preview')
          .send({ text: small.replace('seeds: [0, 1]', 'seeds: [2]') })
          .expect(200)
      ).body,
    );
    expect(told.compute.estimatedSeconds?.from).toBeGreaterThan(0);
  });

  it('stay those of the first answer when a request is repeated after a newer version came in', async () => {
    const send = () =>
      post('experiments')
        .set('Idempotency-Key', 'before-import')
        .send({ text: named('repeated') });
    const first = experimentDetail.parse((await send().expect(201)).body);
    const newer = await importFaces(installation, 'newer');
    expect(newer).not.toBe(version);
    const again = experimentDetail.parse((await send().expect(201)).body);
    expect(again).toMatchObject({ id: first.id, datasets: [{ name: 'faces', version }] });
    expect((await submit(named('later'))).datasets).toEqual([{ name: 'faces', version: newer }]);
  });
});
