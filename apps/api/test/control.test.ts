import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { experimentDetail, trialItem, workerItem, type ExperimentDetail } from '@ferment/contracts';
import request from 'supertest';
import {
  claim,
  importFaces,
  type Installation,
  spec,
  startInstallation,
  workerId,
} from './support/installation.js';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation();
  await importFaces(installation);
}, 60_000);
afterAll(() => installation.stop(), 30_000);

type Method = 'get' | 'post' | 'patch' | 'delete';
const call = (method: Method, path: string, role: 'viewer' | 'researcher' | 'admin' = 'researcher') =>
  request(installation.api.url)
    [method](`/api/v1/${path}`)
    .set({ Authorization: `Bearer ${installation.secrets[role]}` });
async function submit(name: string, text = spec): Promise<ExperimentDetail> {
  const body = { text: text.replace('name: grid', `name: ${name}`), fresh: true };
  return experimentDetail.parse((await call('post', 'experiments').send(body).expect(201)).body);
}
async function act(id: string, action: string): Promise<ExperimentDetail> {
  const started = performance.now();
  const answer = await call('post', `experiments/${id}/${action}`).expect(200);
  expect(performance.now() - started).toBeLessThan(1000);
  return experimentDetail.parse(answer.body);
}

describe('an experiment', () => {
  it('is paused and resumed, as often as one likes', async () => {
    const { id } = await submit('paused');
    for (const _ of [0, 1])
      expect(await act(id, 'pause')).toMatchObject({ state: 'paused', trials: { paused: 4 } });
    for (const _ of [0, 1])
      expect(await act(id, 'resume')).toMatchObject({ state: 'waiting', trials: { waiting: 4 } });
    expect((await act(id, 'cancel')).state).toBe('cancelled');
    const refused = await call('post', `experiments/${id}/resume`).expect(409);
    expect(refused.body).toMatchObject({
      detail: expect.stringContaining('submit its spec again') as unknown,
    });
  });

  it('is run as its spec says, until that is changed', async () => {
    const limited = await submit('limited', `${spec}run: { priority: 2, parallel: 3, timeout: 90 }\n`);
    expect(limited.run).toEqual({ priority: 2, parallel: 3, timeout: 90 });
    const plain = await submit('plain');
    expect(plain.run).toEqual({ priority: 5 });
    // How it is run is not part of what it is.
    expect((await submit('limited')).specHash).toBe(limited.specHash);
    const change = { priority: 9, parallel: null, tags: ['late'], archived: true };
    const answer = await call('patch', `experiments/${limited.id}`).send(change).expect(200);
    expect(answer.body).toMatchObject({ run: { priority: 9, timeout: 90 }, tags: ['late'] });
    const listed = await call('get', 'experiments?limit=500').expect(200);
    const ids = (listed.body as { items: { id: string }[] }).items.map((item) => item.id);
    expect(ids).not.toContain(limited.id);
    expect(ids).toContain(plain.id);
    await call('patch', `experiments/${limited.id}`).send({}).expect(422);
    await call('patch', `experiments/${limited.id}`).send({ priority: 11 }).expect(422);
  });

  it('gets more seeds and levels, and keeps what it has', async () => {
    const { id, specHash } = await submit('extended');
    const added = {
      seeds: [1, 2],
      factors: { temperature: { two: { 'stages.student.method.temperature': 2 } } },
    };
    let answer = await call('post', `experiments/${id}/extend`).send(added).expect(200);
    const after = experimentDetail.parse(answer.body);
    expect(after.spec.seeds).toEqual([0, 1, 2]);
    expect(after.variants.map(({ name }) => name)).toEqual([
      'baseline',
      'temperature-one',
      'temperature-two',
    ]);
    expect(after.trials).toMatchObject({ waiting: 9 });
    expect(after.specHash).not.toBe(specHash);
    // The text that was submitted no longer says what it is.
    const given = await call('get', `experiments/${id}/text`).expect(200);
    expect(given.body).toMatchObject({ submitted: false, text: expect.stringContaining('two') as unknown });
    answer = await call('post', `experiments/${id}/extend`).send(added).expect(200);
    expect(answer.body).toMatchObject({ trials: { waiting: 9 }, specHash: after.specHash });
    const other = { factors: { temperature: { one: { 'stages.student.method.temperature': 3 } } } };
    const refused = await call('post', `experiments/${id}/extend`).send(other).expect(422);
    expect(refused.body).toMatchObject({ problems: [{ path: 'factors.temperature.one' }] });
    const wrong = await call('post', `experiments/${id}/extend`)
      .send({ factors: { depth: { deep: { 'stages.nobody.model': {} } } } })
      .expect(422);
    expect(wrong.body).toMatchObject({ detail: expect.stringContaining('nobody') as unknown });
  });

  it('is deleted once it has ended', async () => {
    const { id } = await submit('deleted');
    await call('delete', `experiments/${id}`).expect(409);
    await act(id, 'cancel');
    await call('delete', `experiments/${id}`).expect(204);
    await call('get', `experiments/${id}`).expect(404);
    await call('delete', `experiments/${id}`).expect(404);
  });
});

it('a trial is tried again', async () => {
  const { id } = await submit('retried');
  const [trial] = trialItem.array().parse((await call('get', `experiments/${id}/trials`).expect(200)).body);
  const { jobId, attempt } = await claim(installation, trial?.jobs['teacher'] ?? '');
  await installation.attempts.fail(jobId, attempt, { failureClass: 'user', reason: 'bad data' });
  installation.running.delete(jobId);
  const answer = await call('post', `trials/${trial?.id}/retry`).expect(200);
  expect(answer.body).toMatchObject({ state: 'waiting', reason: null });
  await call('post', 'trials/6f9619ff-8b86-4011-b42d-00c04fc964ff/retry').expect(404);
});

it('a worker is drained and given work again', async () => {
  for (const _ of [0, 1]) {
    const answer = await call('post', `workers/${workerId}/drain`, 'admin').expect(200);
    expect(workerItem.parse(answer.body).state).toBe('draining');
  }
  const answer = await call('post', `workers/${workerId}/resume`, 'admin').expect(200);
  expect(workerItem.parse(answer.body).state).toBe('active');
  await call('post', 'workers/nobody/drain', 'admin').expect(404);
});
