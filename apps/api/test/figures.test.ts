import { afterAll, beforeAll, expect, it } from '@jest/globals';
import request from 'supertest';
import { startApi } from '../src/index.js';
import { samplesOf } from '../../../test/support/prometheus.js';
import { claim, importFaces, type Installation, spec, startInstallation } from './support/installation.js';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation();
}, 60_000);
afterAll(() => installation.stop(), 30_000);

/** Every sample of the answer, by name and labels. */
async function samples(url = installation.api.url): Promise<Map<string, number>> {
  const answer = await request(url)
    .get('/metrics')
    .set('Authorization', `Bearer ${installation.secrets.viewer}`)
    .expect(200)
    .expect('Content-Type', /^text\/plain; version=0\.0\.4/);
  return samplesOf(answer.text);
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

it('tells how long jobs waited and ran, each once, whichever instance is asked', async () => {
  const before = await samples();
  const imports = 'ferment_attempt_run_seconds_count{kind="import",outcome="succeeded"}';
  const waits = (kind: string) => `ferment_job_wait_seconds_count{kind="${kind}"}`;
  expect(before.get(imports)).toBe(1);
  expect([before.get(waits('import')), before.get(waits('train'))]).toEqual([1, 1]);
  const second = await startApi({ ...installation.settings, port: 0 });
  try {
    await importFaces(installation, 'other pixels');
    const [one, other] = [await samples(), await samples(second.url)];
    const histograms = (all: Map<string, number>) =>
      [...all].filter(([name]) => /^ferment_(job_wait|attempt_run)_seconds/.test(name));
    expect(histograms(one)).toEqual(histograms(other));
    expect(one.get(imports)).toBe(2);
    // Running totals up to the last class, which is all of them.
    const classes = histograms(one)
      .filter(([name]) => name.startsWith('ferment_job_wait_seconds_bucket{kind="import"'))
      .map(([, count]) => count);
    expect(classes).toEqual([...classes].sort((a, b) => a - b));
    expect(classes.at(-1)).toBe(2);
  } finally {
    await second.close();
  }
});
