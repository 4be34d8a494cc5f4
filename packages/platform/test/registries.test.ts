import { afterAll, beforeAll, describe, expect, test, jest } from '@jest/globals';
import type { DatasetSummary, PlannedJob } from '@ferment/contracts';
import { Conflict, Datasets, Projects, Tokens } from '../src/index.js';
import { hashFor, startInstallation, type Installation } from './support/installation.js';
import { keyOf, smallExperiment } from './support/plans.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(60_000);

let here: Installation;
beforeAll(async () => {
  here = await startInstallation();
});
afterAll(() => here.stop());

const job = (kind: PlannedJob['kind'], name: string, params: object): PlannedJob => ({
  key: keyOf(kind, name),
  kind,
  params: params as PlannedJob['params'],
  inputs: [],
  stage: null,
  resource: 'light',
  threads: 1,
  cost: null,
});

describe('tokens', () => {
  test('a secret opens what it was made for, until it is revoked, and is stored nowhere', async () => {
    const tokens = new Tokens(here.database);
    const { id, token } = await tokens.create({ name: 'laptop', role: 'researcher' });
    expect(await tokens.verify(token)).toEqual({ id, name: 'laptop', role: 'researcher' });
    expect(await tokens.verify(`${token}x`)).toBeNull();
    expect(await tokens.verify('')).toBeNull();
    const { rows } = await here.database.pool.query<{ text: string }>('SELECT t::text AS text FROM token t');
    expect(rows.some(({ text }) => text.includes(token.slice(8)))).toBe(false);
    expect((await tokens.list())[0]).toMatchObject({ id, revokedAt: null, lastUsedAt: expect.any(String) });
    expect(await tokens.revoke(id)).toBe(true);
    expect(await tokens.revoke(id)).toBe(false);
    expect(await tokens.verify(token)).toBeNull();
  });

  test('a login code works once, for a session that ends with its token', async () => {
    const tokens = new Tokens(here.database);
    const { id } = await tokens.create({ name: 'browser', role: 'viewer' });
    const { code } = await tokens.createLogin(id);
    const answers = await Promise.all([
      tokens.redeemLogin(code),
      tokens.redeemLogin(code),
      tokens.redeemLogin('login_x'),
    ]);
    const sessions = answers.filter((answer) => answer !== null);
    expect(sessions).toHaveLength(1);
    const secret = sessions[0]?.token ?? '';
    expect(await tokens.verify(secret)).toEqual({ id, name: 'browser', role: 'viewer' });
    expect((await tokens.list()).map((token) => token.id)).toContain(id);
    expect(await tokens.list()).toHaveLength(2);
    await tokens.revoke(id);
    expect(await tokens.verify(secret)).toBeNull();
    const late = await tokens.create({ name: 'late', role: 'viewer' });
    const expired = await tokens.createLogin(late.id);
    await here.database.pool.query(`UPDATE login_code SET expires_at = now() - interval '1 second'`);
    expect(await tokens.redeemLogin(expired.code)).toBeNull();
  });
});

describe('data sets', () => {
  const summary = { format: 'fer2013-csv', images: 3 } as unknown as DatasetSummary;

  test('an import that succeeds makes a version; the newest stands first', async () => {
    const datasets = new Datasets(here.database);
    const versions = ['1'.repeat(64), '2'.repeat(64)];
    for (const version of versions) {
      const { id, created } = await here.jobs.submit(
        job('import', version, { dataset: 'fer', source: version }),
      );
      expect(created).toBe(true);
      expect((await here.jobs.submit(job('import', version, {}))).created).toBe(false);
      await here.finish(await here.take(id), { dataset: 'fer', version, bytes: 9, summary });
    }
    const found = await datasets.get('fer');
    expect(found?.versions.map(({ version }) => version)).toEqual([...versions].reverse());
    expect(found?.versions[0]).toMatchObject({ bytes: 9, summary });
    expect(await datasets.list()).toEqual([found]);
    expect(await datasets.version(versions[0] ?? '')).toMatchObject({ dataset: 'fer', version: versions[0] });
    expect(await datasets.get('kdef')).toBeNull();
  });

  test('an import that failed for a passing reason is tried again when asked for again', async () => {
    const { id } = await here.jobs.submit(job('import', 'retry', {}));
    for (let failure = 1; failure <= 6; failure++) {
      const claim = await here.take(id);
      await here.attempts.fail(id, claim.attempt, { failureClass: 'transient', reason: 'disk full' });
    }
    expect((await here.jobs.get(id))?.state).toBe('failed');
    await here.jobs.submit(job('import', 'retry', {}));
    expect((await here.jobs.get(id))?.state).toBe('ready');
  });
});

describe('a job beside all plans', () => {
  test('reads outputs of stored jobs, and waits for those that have to be made again', async () => {
    const { id: experiment } = await here.experiments.create(smallExperiment('behind'));
    const [teacher] = await here.experiments.jobs(experiment);
    if (!teacher) throw new Error('no teacher');
    await here.finish(await here.take(teacher.id));
    const input = { role: 'start', position: 0, from: teacher.key, output: 'best' };
    const beside = { ...job('adversarial', 'beside', { name: 'beside' }), inputs: [input] };
    const { id } = await here.jobs.submit(beside);
    expect((await here.jobs.get(id))?.state).toBe('ready');
    expect(await here.jobs.recipe(id)).toEqual({
      kind: 'adversarial',
      params: { name: 'beside' },
      inputs: [input],
    });

    // The teacher's file is lost, and the only experiment that wanted it is cancelled.
    await here.jobs.artifactCorrupt(hashFor(teacher.id, 'best'));
    await here.experiments.cancel(experiment);
    expect((await here.jobs.get(teacher.id))?.state).toBe('cancelled');
    expect((await here.jobs.get(id))?.state).toBe('pending');
    await here.jobs.submit(beside);
    expect((await here.jobs.get(teacher.id))?.state).toBe('ready');
    await here.finish(await here.take(teacher.id));
    expect((await here.jobs.get(id))?.state).toBe('ready');
  });

  test('is refused where an input is of a job that nobody stored', async () => {
    const from = keyOf('nobody');
    const inputs = [{ role: 'start', position: 0, from, output: 'best' }];
    await expect(here.jobs.submit({ ...job('adversarial', 'lost', {}), inputs })).rejects.toThrow(
      `job ${from}, which is neither planned nor stored`,
    );
  });
});

describe('tables', () => {
  test('the table of an experiment is the newest that was computed for it, and says whether it is complete', async () => {
    const { id } = await here.experiments.create(smallExperiment('table'));
    const table = async () => (await here.experiments.describe(id))?.table;
    const first = await here.jobs.submit(
      job('ablation', 'unfinished', { trials: [{ state: 'unfinished' }] }),
    );
    await here.experiments.setTable(id, first.id);
    expect(await table()).toBeNull();
    await here.finish(await here.take(first.id));
    expect(await table()).toEqual({ hash: hashFor(first.id, 'table'), complete: false });

    const second = await here.jobs.submit(job('ablation', 'finished', { trials: [{ state: 'succeeded' }] }));
    await here.finish(await here.take(second.id));
    expect(await table()).toEqual({ hash: hashFor(first.id, 'table'), complete: false });
    await here.experiments.setTable(id, second.id);
    expect(await table()).toEqual({ hash: hashFor(second.id, 'table'), complete: true });
  });
});

describe('projects and lists', () => {
  test('a name is one project', async () => {
    const projects = new Projects(here.database);
    const { name } = await projects.create('distillation');
    expect((await projects.list()).map((project) => project.name)).toContain(name);
    await expect(projects.create(name)).rejects.toThrow(Conflict);
    await expect(
      here.experiments.create({ ...smallExperiment('nowhere'), project: 'absent' }),
    ).rejects.toThrow('no project "absent"');
  });

  test('pages go through all experiments once, newest first, and searches take signs literally', async () => {
    const made: string[] = [];
    for (let place = 0; place < 5; place++) {
      const { id } = await here.experiments.create(
        smallExperiment(`page ${place}`, { name: `paged-${place}` }),
      );
      made.unshift(id);
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await here.experiments.list({ search: 'PAGED-', limit: 2, cursor });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    expect(seen).toEqual(made);
    expect((await here.experiments.list({ search: 'paged%' })).items).toEqual([]);
    expect((await here.experiments.list({ project: 'distillation' })).items).toEqual([]);
  });
});

describe('workers', () => {
  test('are listed with what they work on, and end in order', async () => {
    const { id } = await here.experiments.create(smallExperiment('listed'));
    const claim = await here.take((await here.experiments.jobs(id))[0]?.id ?? '');
    expect((await here.workers.list())[0]).toMatchObject({
      id: 'worker-1',
      state: 'active',
      slots: { cpu: 2, light: 1 },
      running: [{ jobId: claim.jobId, kind: 'train', attempt: claim.attempt }],
    });
    expect(await here.workers.get('worker-1')).toMatchObject({ id: 'worker-1', facts: null });
    expect(await here.workers.get('worker-9')).toBeNull();
    expect(await here.workers.drain('worker-1')).toBe(true);
    expect(await here.workers.drain('worker-1')).toBe(false);
    expect(await here.workers.state('worker-1')).toBe('draining');
    expect(await here.workers.leave('worker-1')).toBe(true);
    expect(await here.workers.state('worker-1')).toBe('gone');
    await here.workers.register({ id: 'worker-1', host: 'here', pid: 1, slots: { cpu: 2, light: 1 } });
  });
});
