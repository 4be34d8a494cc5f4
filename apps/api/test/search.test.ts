import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  experimentDetail,
  exportFormats,
  jobItem,
  studyHistory,
  trialItem,
  type ExperimentDetail,
  type JobItem,
  type StudyHistory,
  type TrialItem,
} from '@ferment/contracts';
import { Experiments } from '@ferment/platform';
import request from 'supertest';
import { z } from 'zod';
import { startApi } from '../src/index.js';
import { claim, importFaces, type Installation, startInstallation, until } from './support/installation.js';
import { evaluation } from './support/results.js';

let installation: Installation;
let version: string;
beforeAll(async () => {
  installation = await startInstallation();
  version = await importFaces(installation);
}, 60_000);
afterAll(() => installation.stop(), 30_000);

const spec = (name: string, more: string) => `
specVersion: 1
name: ${name}
data: { dataset: faces }
stages:
  student: { kind: train, model: { name: vgg, width: 0.125 }, train: { epochs: 9, batch: 32 } }
result: student
${more}`;

const space = `{ stages.student.train.optimizer.lr: { kind: loguniform, low: 0.001, high: 1 }, stages.student.train.labelSmoothing: { kind: choice, values: [0, 0.1] } }`;

const call = (method: 'get' | 'post', path: string) =>
  request(installation.api.url)
    [method](`/api/v1/${path}`)
    .set({ Authorization: `Bearer ${installation.secrets.researcher}` });
async function submit(text: string): Promise<ExperimentDetail> {
  const answer = await call('post', 'experiments').send({ text, fresh: true });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return experimentDetail.parse(answer.body);
}
const describeExperiment = async (id: string) =>
  experimentDetail.parse((await call('get', `experiments/${id}`).expect(200)).body);
const study = async (id: string): Promise<StudyHistory> =>
  studyHistory.parse((await call('get', `experiments/${id}/search`).expect(200)).body);
const trials = async (id: string): Promise<TrialItem[]> =>
  z.array(trialItem).parse((await call('get', `experiments/${id}/trials`).expect(200)).body);
const jobs = async (id: string): Promise<JobItem[]> =>
  z.array(jobItem).parse((await call('get', `experiments/${id}/jobs`).expect(200)).body);

interface Params {
  seed?: number;
  untilEpoch?: number;
  train?: { optimizer: { lr: number }; labelSmoothing: number };
}

/** The accuracy of a made-up network after so many epochs: best near a rate of 0.05, without smoothing. */
function accuracyOf({ train }: Params, epoch: number): number {
  const lr = train?.optimizer.lr ?? 1;
  const far = Math.abs(Math.log10(lr) - Math.log10(0.05)) / 3 + (train?.labelSmoothing ?? 0);
  return (0.9 - far / 2) * (1 - 0.5 / (epoch + 1));
}

/** What a worker's job would leave. */
async function finish(job: JobItem, behind: Params): Promise<void> {
  const { attempt } = await claim(installation, job.id);
  const params = job.params as Params;
  const at = (epoch: number) => {
    const accuracy = accuracyOf(params, epoch);
    return { epoch, step: epoch * 43, accuracy, macroF1: accuracy, nll: 1 - accuracy, ece: 0.1 };
  };
  const roles: readonly string[] =
    job.kind === 'train' ? ['best', 'last'] : job.kind === 'evaluate' ? ['metrics', 'logits'] : exportFormats;
  const evaluated = evaluation(accuracyOf(behind, 9), { datasetVersion: version });
  const outputs: Record<string, { hash: string; bytes: number }> = {};
  for (const role of roles) {
    const text = role === 'metrics' ? JSON.stringify(evaluated) : `${job.id} ${role}`;
    outputs[role] = await installation.store.put(Buffer.from(text));
  }
  const epochs = Array.from({ length: params.untilEpoch ?? 0 }, (_, index) => index + 1);
  const result =
    job.kind === 'train'
      ? { history: epochs.map(at), doneSteps: (params.untilEpoch ?? 9) * 43 }
      : job.kind === 'evaluate'
        ? evaluated
        : {};
  await installation.attempts.complete(job.id, attempt, { outputs, result });
  installation.running.delete(job.id);
}

/** One job that is ready, finished: the earliest in the experiment's order. False where none is. */
async function finishOne(id: string): Promise<boolean> {
  const all = await jobs(id);
  const next = all.find(({ state }) => state === 'ready');
  if (!next) return false;
  const trained = next.inputs.map(({ jobId }) => all.find((job) => job.id === jobId)?.params as Params);
  await finish(next, trained[0] ?? {});
  return true;
}

/** Waits until the database has taken in all that ended. */
async function settled(id: string): Promise<void> {
  await until(async () => {
    const { rows } = await installation.database.pool.query<{ due: boolean }>(
      'SELECT wanted <> asked AS due FROM study WHERE experiment_id = $1',
      [id],
    );
    return rows[0]?.due === false;
  }, 'the study at rest');
}

/** Works until nothing is left; `between` is called after every job. */
async function work(
  id: string,
  between: (done: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  await settled(id);
  for (let done = 1; await finishOne(id); done += 1) {
    await settled(id);
    await between(done);
    await settled(id);
  }
}

describe('a random search', () => {
  it('begins so many configurations at once, goes on as they end, and tells the best', async () => {
    const { id, state } = await submit(
      spec('random', `search: { sampler: random, trials: 6, parallel: 2, space: ${space} }`),
    );
    expect(state).toBe('waiting');
    await settled(id);
    expect((await study(id)).points).toHaveLength(2);
    await work(id);
    const history = await study(id);
    expect(history).toMatchObject({ state: 'ended', planned: 6, sampler: 'random', direction: 'maximize' });
    expect(history.points.map(({ state: each }) => each)).toEqual(Array(6).fill('succeeded'));
    const values = history.points.map(({ value }) => value ?? 0);
    expect(history.best?.value).toBe(Math.max(...values));
    expect(history.points.at(-1)?.bestSoFar).toBe(Math.max(...values));
    const after = await describeExperiment(id);
    expect(after).toMatchObject({ state: 'succeeded', trials: { succeeded: 6 }, trainings: { planned: 6 } });
    expect(after.variants.map(({ name }) => name)).toEqual(history.points.map(({ variant }) => variant));
    const [first] = await trials(id);
    expect(Object.keys(first?.factors ?? {})).toEqual(['lr', 'labelSmoothing']);
  }, 60_000);

  it('is extended, paused, resumed and cancelled', async () => {
    const { id } = await submit(
      spec('controlled', `search: { sampler: random, trials: 2, parallel: 1, space: ${space} }`),
    );
    await work(id);
    expect((await describeExperiment(id)).state).toBe('succeeded');
    await call('post', `experiments/${id}/extend`)
      .send({ seeds: [1] })
      .expect(422);
    await call('post', `experiments/${id}/extend`).send({ trials: 3 }).expect(200);
    await settled(id);
    expect(await study(id)).toMatchObject({ state: 'open', planned: 5, points: { length: 3 } });
    expect(
      experimentDetail.parse((await call('post', `experiments/${id}/pause`).expect(200)).body).state,
    ).toBe('paused');
    expect((await jobs(id)).filter(({ state }) => state === 'ready')).toHaveLength(1);
    await call('post', `experiments/${id}/resume`).expect(200);
    await finishOne(id);
    await call('post', `experiments/${id}/cancel`).expect(200);
    expect(await describeExperiment(id)).toMatchObject({
      state: 'cancelled',
      trials: { succeeded: 2, cancelled: 1 },
    });
    expect((await study(id)).points).toHaveLength(3);
    await call('post', `experiments/${id}/extend`).send({ trials: 3 }).expect(409);
  }, 60_000);

  it('of extensions that come at once, those that were not made are told so', async () => {
    const { id } = await submit(
      spec('extended', `search: { sampler: random, trials: 2, parallel: 1, space: ${space} }`),
    );
    const added = [3, 4, 5];
    const answers = await Promise.all(
      added.map(async (trials) => (await call('post', `experiments/${id}/extend`).send({ trials })).status),
    );
    expect(answers.filter((status) => status !== 200 && status !== 409)).toEqual([]);
    const made = added.filter((_, index) => answers[index] === 200);
    expect(made.length).toBeGreaterThan(0);
    expect(await study(id)).toMatchObject({ planned: 2 + made.reduce((sum, trials) => sum + trials, 0) });
    await call('post', `experiments/${id}/cancel`).expect(200);
  }, 60_000);

  it('takes a failed configuration for a bad one, and takes it in when it is tried again', async () => {
    const { id } = await submit(
      spec('failing', `search: { sampler: random, trials: 3, parallel: 1, space: ${space} }`),
    );
    await settled(id);
    const [training] = await jobs(id);
    const { attempt } = await claim(installation, training?.id ?? '');
    const failure = { failureClass: 'diverged', reason: 'diverged at step 12' } as const;
    await installation.attempts.fail(training?.id ?? '', attempt, failure);
    await work(id);
    expect(await describeExperiment(id)).toMatchObject({
      state: 'succeeded',
      trials: { succeeded: 2, failed: 1 },
    });
    const [failed] = (await study(id)).points;
    expect(failed).toMatchObject({ state: 'failed', value: null, order: 1, reason: 'diverged at step 12' });
    const [trial] = await trials(id);
    await call('post', `trials/${trial?.id}/retry`).expect(200);
    await work(id);
    const { points, state } = await study(id);
    expect(state).toBe('ended');
    expect(points[0]).toMatchObject({ state: 'succeeded', order: 1, value: expect.any(Number) as unknown });
    expect((await describeExperiment(id)).trials).toMatchObject({ succeeded: 3, failed: 0 });
  }, 60_000);

  it('ends where its space has no more configurations, and tries none twice', async () => {
    const small = `{ stages.student.train.labelSmoothing: { kind: choice, values: [0, 0.1, 0.2] }, stages.student.train.batch: { kind: int, low: 16, high: 32, step: 16 } }`;
    const { id, warnings } = await submit(
      spec('small', `search: { sampler: random, trials: 50, space: ${small} }`),
    );
    expect(warnings).toContain('the space has 6 configurations: the search ends after them');
    await work(id);
    const { points, planned, state } = await study(id);
    expect({ planned, state }).toEqual({ planned: 6, state: 'ended' });
    expect(new Set(points.map(({ values }) => JSON.stringify(values))).size).toBe(6);
  }, 60_000);
});

/** Breaks the connections that the dispatcher and the reconciler lead by. */
async function loseLeaders(): Promise<void> {
  await installation.database.pool.query(
    `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()`,
  );
}

const drawn = ({ points }: StudyHistory) => points.map(({ values }) => values);

describe('TPE', () => {
  const text = (name: string) =>
    spec(name, `search: { sampler: tpe, trials: 24, parallel: 2, seed: 5, space: ${space} }`);

  it('goes on with the same configurations after the API was stopped in the middle, again and again, with two of it', async () => {
    const left = await submit(text('left-alone'));
    await work(left.id);
    // Two replicas, of which now the one and now the other leads.
    const replica = await startApi(installation.settings);
    const struck = await submit(text('struck'));
    await work(struck.id, async (done) => {
      if (done % 20 === 0) await installation.restart();
      else if (done % 7 === 0) await loseLeaders();
    });
    await replica.close();
    const [a, b] = [await study(left.id), await study(struck.id)];
    expect(drawn(b)).toEqual(drawn(a));
    expect(b.points.map(({ order, value }) => [order, value])).toEqual(
      a.points.map(({ order, value }) => [order, value]),
    );
    // What it draws depends on what it has seen: another objective leads elsewhere.
    const other = await submit(text('other').replace('tpe', 'random'));
    await work(other.id);
    expect(drawn(await study(other.id)).slice(0, 10)).toEqual(drawn(a).slice(0, 10));
    expect(drawn(await study(other.id)).slice(10)).not.toEqual(drawn(a).slice(10));
  }, 240_000);
});

const rates = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const grid = (rule: string) =>
  `search: { sampler: grid, parallel: 3, space: { stages.student.train.optimizer.lr: { kind: choice, values: [${rates.join(', ')}] } } }
earlyStop: ${rule}`;

describe('ASHA', () => {
  it('trains a third on at each rung, as chained jobs, and says where the others were stopped', async () => {
    const { id } = await submit(spec('asha', grid('{ rule: asha, eta: 3, minEpochs: 1 }')));
    await work(id);
    const history = await study(id);
    expect(history).toMatchObject({ state: 'ended', planned: 9, earlyStop: { rule: 'asha', eta: 3 } });
    const lrOf = (values: object) => Object.values(values)[0] as number;
    expect(lrOf(history.best?.values ?? {})).toBe(0.05);
    const reached = history.points.map(({ state, epochs }) => (state === 'stopped' ? epochs : 9));
    expect(reached.filter((epoch) => epoch === 1).length).toBeGreaterThanOrEqual(4);
    expect(reached.filter((epoch) => epoch === 9)).toHaveLength(1);

    const after = await describeExperiment(id);
    expect(after).toMatchObject({ state: 'succeeded', trials: { succeeded: 9 } });
    const all = await trials(id);
    const whole = all.find(({ variant }) => variant === history.best?.variant);
    expect(whole).toMatchObject({ stopped: null, reason: null });
    expect(Object.keys(whole?.jobs ?? {}).toSorted()).toEqual([
      'evaluate:faces',
      'export',
      'student',
      'student:epoch-1',
      'student:epoch-3',
    ]);
    const stopped = all.filter((trial) => trial.stopped !== null);
    expect(stopped).toHaveLength(8);
    for (const trial of stopped) {
      expect(trial).toMatchObject({ state: 'succeeded', summary: {} });
      expect(trial.reason).toMatch(/^stopped early at epoch [13], step \d+: it was not among the best/);
      expect(trial.stopped?.step).toBe((trial.stopped?.epoch ?? 0) * 43);
    }
    // Each part goes on from the one before, with the params of the whole run.
    const jobsById = new Map((await jobs(id)).map((job) => [job.id, job]));
    const [end, third, first] = ['student', 'student:epoch-3', 'student:epoch-1'].map((role) =>
      jobsById.get(whole?.jobs[role] ?? ''),
    );
    expect(end?.inputs).toEqual([{ role: 'continues', position: 0, jobId: third?.id, output: 'last' }]);
    expect(third?.inputs).toEqual([{ role: 'continues', position: 0, jobId: first?.id, output: 'last' }]);
    expect(end?.params).toEqual({ ...(third?.params as object), untilEpoch: undefined });
    expect(third?.params).toEqual({ ...(end?.params as object), untilEpoch: 3 });

    const table = await tableInputs(id);
    expect(table.filter(({ state }) => state === 'stopped')).toHaveLength(8);
    expect(table.filter(({ metrics }) => Object.keys(metrics).length > 0)).toHaveLength(1);
  }, 60_000);

  it('rests while its experiment is paused, and goes on', async () => {
    const { id } = await submit(spec('asha-paused', grid('{ rule: asha }')));
    await settled(id);
    await finishOne(id);
    await settled(id);
    await call('post', `experiments/${id}/pause`).expect(200);
    expect((await describeExperiment(id)).state).toBe('paused');
    expect((await jobs(id)).filter(({ state }) => state === 'running')).toEqual([]);
    const begun = (await study(id)).points.length;
    expect(begun).toBe(4);
    await call('post', `experiments/${id}/resume`).expect(200);
    await work(id);
    expect(await describeExperiment(id)).toMatchObject({ state: 'succeeded', trials: { succeeded: 9 } });
  }, 60_000);
});

describe('the median rule', () => {
  it('stops what is worse than the median of the others in an ablation over seeds, all seeds of a variant alike', async () => {
    const levels = rates.map((lr, at) => `l${at}: { stages.student.train.optimizer.lr: ${lr} }`);
    const ablation = `ablation: { design: one-at-a-time, factors: { rate: { ${levels.join(', ')} } } }`;
    const { id, warnings } = await submit(
      spec(
        'median',
        `seeds: [0, 1]\n${ablation}\nearlyStop: { rule: median, afterEpochs: 2, every: 4, minTrials: 3 }`,
      ),
    );
    expect(warnings).toContainEqual(expect.stringContaining('early stopping beside an ablation'));
    expect(await describeExperiment(id)).toMatchObject({ trials: { waiting: 20 } });
    await work(id);
    const history = await study(id);
    const states = history.points.map(({ state }) => state);
    expect(states[0]).toBe('succeeded');
    expect(states).toContain('stopped');
    expect(states).toContain('succeeded');
    expect(history).toMatchObject({ state: 'ended', planned: 10, sampler: null });
    expect(history.points.find(({ variant }) => variant === 'rate-l4')?.state).toBe('succeeded');
    const all = await trials(id);
    expect(all).toHaveLength(20);
    for (const point of history.points) {
      const own = all.filter(({ variant }) => variant === point.variant);
      expect(own.map(({ id: trial }) => trial)).toEqual(point.trialIds);
      expect(own.map(({ stopped }) => stopped !== null)).toEqual(Array(2).fill(point.state === 'stopped'));
    }
    for (const added of [{ seeds: [2] }, { trials: 1 }])
      await call('post', `experiments/${id}/extend`).send(added).expect(422);
    const [some] = all.filter(({ stopped }) => stopped !== null);
    expect(some?.reason).toMatch(
      /^stopped early at epoch [26], step \d+: its best value 0\.\d{4} is worse than 0\.\d{4}, the median/,
    );
  }, 60_000);
});

describe('a study that is overtaken', () => {
  const also = (name: string) =>
    spec(
      name,
      `run: { parallel: 1 }
ablation: { design: list, variants: [{ name: also, patch: { evaluate.on: [{ dataset: faces }, { dataset: others }] } }] }
earlyStop: { rule: median, afterEpochs: 2, every: 4, minTrials: 3 }`,
    );

  it('plans its later configurations on the versions of its beginning', async () => {
    const first = await importFaces(installation, 'others', 'others');
    const { id } = await submit(also('overtaken'));
    await settled(id);
    expect((await study(id)).points).toHaveLength(1);
    const second = await importFaces(installation, 'others, corrected', 'others');
    await work(id);
    expect(await describeExperiment(id)).toMatchObject({ state: 'succeeded', trials: { succeeded: 2 } });
    const params = JSON.stringify((await jobs(id)).map((job) => job.params));
    expect(params).toContain(first);
    expect(params).not.toContain(second);
    // Submitted anew, it means the newer one.
    const anew = await submit(also('anew'));
    await work(anew.id);
    expect(JSON.stringify((await jobs(anew.id)).map((job) => job.params))).toContain(second);
  }, 60_000);

  it('fails what cannot be begun any more, and ends', async () => {
    const { id } = await submit(also('vanished'));
    await settled(id);
    const { pool } = installation.database;
    await pool.query(
      `UPDATE study SET newest = json_build_object('faces', newest->'faces') WHERE experiment_id = $1`,
      [id],
    );
    await work(id);
    expect(await describeExperiment(id)).toMatchObject({
      state: 'failed',
      trials: { succeeded: 1, failed: 1, waiting: 0 },
    });
    const trial = (await trials(id)).find(({ variant }) => variant === 'also');
    expect(trial).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/no data set "others"/) as unknown,
    });
    expect((await study(id)).state).toBe('ended');
  }, 60_000);

  it('goes on with no training whose parts would not be of one version', async () => {
    const { id } = await submit(
      spec(
        'upgraded',
        `search: { sampler: random, trials: 1, space: ${space} }\nearlyStop: { rule: median, afterEpochs: 2, every: 4, minTrials: 3 }`,
      ),
    );
    await settled(id);
    const [part] = await jobs(id);
    // What a version of the trainer that computes otherwise would plan has another key.
    await installation.database.pool.query(`UPDATE job SET key = reverse(key) WHERE id = $1`, [part?.id]);
    await work(id);
    expect(await describeExperiment(id)).toMatchObject({ state: 'failed', trials: { failed: 1 } });
    const [trial] = await trials(id);
    expect(trial?.reason).toMatch(
      /^student:epoch-2 would be other work now .* submit the spec as a new experiment$/,
    );
    expect(await jobs(id)).toHaveLength(1);
    expect((await study(id)).points).toMatchObject([{ state: 'failed', reason: trial?.reason }]);
    // Nor does it when it is looked at again.
    await installation.database.pool.query('UPDATE study SET wanted = wanted + 1 WHERE experiment_id = $1', [
      id,
    ]);
    await settled(id);
    expect((await study(id)).points).toMatchObject([{ state: 'failed' }]);
  }, 60_000);
});

async function tableInputs(id: string) {
  const inputs = await new Experiments(installation.database).tableInputs(id);
  return inputs?.trials ?? [];
}
