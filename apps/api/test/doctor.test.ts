import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  checkFinding,
  queueOverview,
  workerItem,
  type CheckFinding,
  type QueueOverview,
  type WorkerFacts,
} from '@ferment/contracts';
import { examineSettings, Workers } from '@ferment/platform';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { z } from 'zod';
import {
  claim,
  facts,
  importFaces,
  type Installation,
  spec,
  startInstallation,
  until,
  workerId,
} from './support/installation.js';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation();
}, 60_000);
afterAll(() => installation.stop(), 30_000);

const ask = async (path: string, role: 'viewer' | 'admin'): Promise<unknown> => {
  const answer = await request(installation.api.url)
    .get(path)
    .set('Authorization', `Bearer ${installation.secrets[role]}`)
    .expect(200);
  return answer.body as unknown;
};
const examined = async (): Promise<CheckFinding[]> =>
  z.array(checkFinding).parse(await ask('/api/v1/doctor', 'admin'));
const directly = (): Promise<CheckFinding[]> => examineSettings(installation.settings);
const of = (findings: readonly CheckFinding[], name: string): CheckFinding | undefined =>
  findings.find((finding) => finding.name === name);
const trouble = (findings: readonly CheckFinding[]): string[] =>
  findings.filter(({ level }) => level !== 'ok').map(({ name }) => name);

describe('doctor', () => {
  it('finds nothing wrong with an installation that is in order, through the API and without it', async () => {
    await until(async () => (await examined()).every(({ level }) => level === 'ok'), 'all in order');
    const [asked, direct] = [await examined(), await directly()];
    expect(direct.map(({ name, level }) => [name, level])).toEqual(
      asked.map(({ name, level }) => [name, level]),
    );
    expect(of(asked, 'database')?.found).toMatch(/^PostgreSQL \d+/);
    expect(of(asked, 'workers')?.found).toContain(workerId);
    expect(asked).toHaveLength(12);
  });

  it('says what a worker that all wait for, a missing migration and a store that cannot be written mean', async () => {
    const workers = new Workers(installation.database);
    await workers.drain(workerId);
    const draining = of(await examined(), 'workers');
    await workers.resume(workerId);
    expect(draining).toMatchObject({ level: 'warning', remedy: 'ferment worker resume' });

    const { pool } = installation.database;
    const newest = await pool.query<{ name: string }>(
      'SELECT max(migration_name) AS name FROM _prisma_migrations',
    );
    const name = newest.rows[0]?.name ?? '';
    const rename = (to: string, from: string) =>
      pool.query('UPDATE _prisma_migrations SET migration_name = $1 WHERE migration_name = $2', [to, from]);
    await rename('99991231000000_future', name);
    const ahead = of(await directly(), 'migrations');
    await rename(name, '99991231000000_future');
    expect(ahead).toMatchObject({
      level: 'failure',
      found: expect.stringContaining('99991231000000_future'),
    });

    const file = join(installation.folder, 'a-file');
    await writeFile(file, '');
    const store = { kind: 'folder', folder: join(file, 'artifacts') } as const;
    const unwritable = await examineSettings({ ...installation.settings, store });
    await rm(file);
    expect(of(unwritable, 'store')).toMatchObject({
      level: 'failure',
      found: expect.stringContaining('ENOTDIR'),
      remedy: expect.stringContaining('FERMENT_STORE'),
    });
    expect(of(unwritable, 'database')?.level).toBe('ok');
  });

  it('says how far workers are from the database’s clock and from each other’s versions', async () => {
    const workers = new Workers(installation.database);
    const other = async (id: string, changed: Partial<WorkerFacts>, versions: object = {}) => {
      const told = { ...facts, ...changed, versions: { ...facts.versions, ...versions } };
      await workers.register({ id, host: 'elsewhere', pid: 1, slots: {}, facts: told });
      return `/api/v1/workers/${id}`;
    };
    expect(of(await examined(), 'worker clocks')).toMatchObject({ level: 'ok' });
    const late = await other('late', { clockOffsetSeconds: 600 }, { node: '18.0.0', tensorflow: '2.1.0' });
    const [clocks, versions] = await examined().then((all) => [
      of(all, 'worker clocks'),
      of(all, 'worker versions'),
    ]);
    expect(clocks).toMatchObject({
      level: 'warning',
      found: 'late is 600.0 s behind the database',
      remedy: expect.stringContaining('NTP'),
    });
    expect(versions).toMatchObject({ level: 'warning', expected: expect.stringContaining('the same') });
    expect(versions?.found).toBe(
      `late has Node.js 18.0.0, this ${process.versions.node}; ` +
        `TensorFlow 2.1.0 on late and TensorFlow 2.21.0 on ${workerId}`,
    );
    // One that tells its facts anew is seen at once, and one that left is no finding.
    await workers.tell('late', facts);
    expect(workerItem.parse(await ask(late, 'viewer')).facts).toEqual(facts);
    expect(trouble(await examined())).toEqual([]);
    await other('old', {}, { ferment: '0.0.1' });
    expect(of(await examined(), 'worker versions')?.found).toContain('old is Ferment 0.0.1');
    for (const id of ['late', 'old']) await workers.leave(id);
    expect(trouble(await examined())).toEqual([]);
    await request(installation.api.url)
      .get('/api/v1/workers/nobody')
      .set('Authorization', `Bearer ${installation.secrets.viewer}`)
      .expect(404);
  });

  it('counts a worker as silent by the lease of this installation', async () => {
    const silent = async (leaseSeconds: number) =>
      of(await examineSettings({ ...installation.settings, leaseSeconds }), 'workers');
    const workers = new Workers(installation.database);
    await workers.register({ id: 'quiet', host: 'elsewhere', pid: 1, slots: {}, facts });
    await installation.database.pool.query(
      `UPDATE worker SET heartbeat_at = clock_timestamp() - interval '5 s' WHERE id = 'quiet'`,
    );
    const [short, long] = [await silent(4), await silent(3600)];
    await workers.leave('quiet');
    expect(short).toMatchObject({
      level: 'warning',
      found: expect.stringContaining('quiet silent for'),
      expected: expect.stringContaining('lease of 4 s'),
    });
    expect(long).toMatchObject({ level: 'ok' });
  });

  it('needs no API, and without a database says that alone, as the API then answers nobody', async () => {
    await installation.withoutDatabase(async () => {
      expect(trouble(await directly())).toEqual(['database']);
      await request(installation.api.url)
        .get('/api/v1/doctor')
        .set('Authorization', `Bearer ${installation.secrets.admin}`)
        .expect(503);
    });
    await installation.api.close();
    expect(of(await directly(), 'dispatcher')).toMatchObject({ level: 'failure', remedy: 'start the API' });
    await installation.restart();
    await until(async () => trouble(await examined()).length === 0, 'all in order again');
  }, 60_000);
});

describe('the queue', () => {
  const seen = async (): Promise<QueueOverview> => queueOverview.parse(await ask('/api/v1/queue', 'viewer'));

  it('tells what runs, what waits and why', async () => {
    await importFaces(installation);
    const created = await request(installation.api.url)
      .post('/api/v1/experiments')
      .set('Authorization', `Bearer ${installation.secrets.researcher}`)
      .send({ text: spec })
      .expect(201);
    const { id } = created.body as { id: string };
    const { rows } = await installation.database.pool.query<{ id: string }>(
      `SELECT id FROM job WHERE kind = 'train'`,
    );
    await claim(installation, rows[0]?.id ?? '');
    const { backend, resources, experiments } = await seen();
    expect(backend).toBe('postgres');
    expect(resources.find(({ resource }) => resource === 'cpu')).toMatchObject({ running: 1, ready: 0 });
    const own = experiments.find((experiment) => experiment.id === id);
    expect(own).toMatchObject({ running: 1, name: 'grid' });
    expect(own?.waiting.map(({ reason }) => reason)).toEqual(['inputs']);
    await request(installation.api.url)
      .post(`/api/v1/experiments/${id}/pause`)
      .set('Authorization', `Bearer ${installation.secrets.researcher}`)
      .expect(200);
    const paused = (await seen()).experiments.find((experiment) => experiment.id === id);
    expect(paused?.waiting.map(({ reason }) => reason)).toEqual(['paused']);
  });
});
