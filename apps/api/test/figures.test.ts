import { afterAll, beforeAll, expect, it } from '@jest/globals';
import request from 'supertest';
import { claim, importFaces, type Installation, spec, startInstallation } from './support/installation.js';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation();
}, 60_000);
afterAll(() => installation.stop(), 30_000);

/** Every sample of the answer, by name and labels. */
async function samples(): Promise<Map<string, number>> {
  const answer = await request(installation.api.url)
    .get('/metrics')
    .set('Authorization', `Bearer ${installation.secrets.viewer}`)
    .expect(200)
    .expect('Content-Type', /^text\/plain; version=0\.0\.4/);
  const lines = answer.text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line): [string, number] => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

it('asks for a token', async () => {
  await request(installation.api.url).get('/metrics').expect(401);
});

it('counts what is in the database, before and after something runs', async () => {
  const empty = await samples();
  expect(empty.get('ferment_workers{state="active"}')).toBe(1);
  expect([...empty.keys()].some((name) => name.startsWith('ferment_experiments{'))).toBe(false);
  expect(empty.get('process_resident_memory_bytes')).toBeGreaterThan(2 ** 20);

  await importFaces(installation);
  await request(installation.api.url)
    .post('/api/v1/experiments')
    .set('Authorization', `Bearer ${installation.secrets.researcher}`)
    .set('Idempotency-Key', 'figures')
    .send({ text: spec })
    .expect(201);
  const waiting = await samples();
  const ready = waiting.get('ferment_jobs{kind="train",state="ready"}') ?? 0;
  expect(ready).toBeGreaterThan(0);
  expect(waiting.get('ferment_resource_ready{resource="cpu"}')).toBe(ready);

  const { rows } = await installation.database.pool.query<{ id: string }>(
    `SELECT id FROM job WHERE kind = 'train' AND state = 'ready'`,
  );
  await claim(installation, rows[0]?.id ?? '');
  const working = await samples();
  expect(working.get('ferment_jobs{kind="train",state="running"}')).toBe(1);
  expect(working.get('ferment_jobs{kind="train",state="ready"}') ?? 0).toBe(ready - 1);
  expect(working.get('ferment_resource_running{resource="cpu"}')).toBe(1);
  expect(working.get('ferment_attempts{state="running",failure_class="none"}')).toBe(1);
});
