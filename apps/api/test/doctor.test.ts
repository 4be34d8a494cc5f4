import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkFinding, queueOverview, type CheckFinding, type QueueOverview } from '@ferment/contracts';
import { examineSettings, Workers } from '@ferment/platform';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { z } from 'zod';
import {
  claim,
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
    expect(asked).toHaveLength(10);
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
