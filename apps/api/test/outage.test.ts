import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { EventStream } from './support/event-source.js';
import { importFaces, type Installation, spec, startInstallation, until } from './support/installation.js';

let installation: Installation;

beforeAll(async () => {
  installation = await startInstallation();
  await importFaces(installation);
}, 60_000);
afterAll(() => installation.stop(), 30_000);

const get = (path: string) =>
  request(installation.api.url).get(path).set('Authorization', `Bearer ${installation.secrets.viewer}`);
const submit = () =>
  request(installation.api.url)
    .post('/api/v1/experiments')
    .set('Authorization', `Bearer ${installation.secrets.researcher}`)
    .set('Idempotency-Key', 'over-the-outage')
    .send({ text: spec });

describe('while the database is away', () => {
  it('the API says so, and goes on by itself when it is back', async () => {
    const stream = await EventStream.open(
      `${installation.api.url}/api/v1/stream`,
      installation.secrets.viewer,
    );
    await installation.withoutDatabase(async () => {
      const answer = await get('/api/v1/experiments').expect(503);
      expect(answer.headers['retry-after']).toBeDefined();
      expect(answer.body).toMatchObject({ type: 'urn:ferment:problem:unavailable', status: 503 });
      await submit().expect(503);
      await get('/ready').expect(503, { status: 'unavailable', parts: { database: 'away', store: 'ok' } });
      await get('/health').expect(200);
    });
    await until(async () => (await get('/ready')).status === 200, 'readiness');
    const created = await submit().expect(201);
    await until(async () => {
      const { rows } = await installation.database.pool.query(
        `SELECT FROM job WHERE kind = 'train' AND state = 'ready' AND queued_at IS NOT NULL`,
      );
      return rows.length === 1;
    }, 'the training in the queue');

    // A stream either lives through the outage or ends, so that its client comes back with its last id.
    const { id } = created.body as { id: string };
    const url = `${installation.api.url}/api/v1/stream?experiment=${id}`;
    const again = await EventStream.open(url, installation.secrets.viewer, stream.lastId);
    const frames = await again.until(({ event }) => event === 'event');
    expect(frames[0]?.data).toMatchObject({ experimentId: id, payload: { type: 'experiment.created' } });
    stream.close();
    again.close();
  }, 60_000);
});
