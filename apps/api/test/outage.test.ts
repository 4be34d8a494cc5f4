import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readiness } from '@ferment/contracts';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import request from 'supertest';
import { describeWith, startMinio, startRedis, temporaryFolder } from '../../../test/support/services.js';
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
      // The queue is in the same database.
      const asked = await get('/ready').expect(503);
      expect(readiness.parse(asked.body)).toEqual({
        status: 'unavailable',
        parts: {
          database: expect.not.stringMatching(/^ok$/),
          queue: expect.not.stringMatching(/^ok$/),
          store: 'ok',
        },
      });
      expect(asked.text).not.toMatch(/127\.0\.0\.1|postgres/);
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

describe('a part that is away', () => {
  it('is the store: its folder is gone and something else is in its place', async () => {
    const folder = join(installation.folder, 'artifacts');
    await rename(folder, `${folder}-aside`);
    await writeFile(folder, '');
    try {
      const asked = await get('/ready').expect(503);
      expect(readiness.parse(asked.body).parts).toEqual({
        database: 'ok',
        queue: 'ok',
        store: 'its folder is not a folder',
      });
      await get('/health').expect(200);
    } finally {
      await rm(folder);
      await rename(`${folder}-aside`, folder);
    }
    await get('/ready').expect(200);
  });
});

describeWith(['redis', 's3'], 'with a queue and a store of their own', () => {
  it('readiness names the one that was stopped, within its deadline, and is back with it', async () => {
    const data = await temporaryFolder();
    let [redis, s3] = await Promise.all([startRedis(), startMinio({ folder: data.path })]);
    const apart = await startInstallation({
      FERMENT_QUEUE: 'redis',
      FERMENT_REDIS_URL: redis.url,
      FERMENT_STORE: 's3',
      FERMENT_S3_ENDPOINT: s3.endpoint,
      FERMENT_S3_ACCESS_KEY: s3.accessKey,
      FERMENT_S3_SECRET_KEY: s3.secretKey,
    });
    try {
      const parts = async (status: number) =>
        readiness.parse((await request(apart.api.url).get('/ready').expect(status)).body).parts;
      const ready = async () => (await request(apart.api.url).get('/ready')).status === 200;
      await until(ready, 'readiness at first');
      await redis.stop();
      const began = performance.now();
      // Asked twice at once, and again: a question that hangs is asked once.
      for (const found of await Promise.all([parts(503), parts(503)]))
        expect(found).toEqual({ database: 'ok', store: 'ok', queue: expect.not.stringMatching(/^ok$/) });
      expect(performance.now() - began).toBeLessThan(4000);
      await request(apart.api.url).get('/health').expect(200);
      redis = await startRedis({ port: redis.port });
      await until(ready, 'readiness with the queue back');
      await s3.stop();
      const without = await parts(503);
      expect(without).toEqual({ database: 'ok', queue: 'ok', store: expect.not.stringMatching(/^ok$/) });
      s3 = await startMinio({ port: s3.port, folder: data.path });
      await until(ready, 'readiness with the store back');
    } finally {
      await apart.stop();
      await redis.stop();
      await s3.stop();
      await data.remove();
    }
  }, 90_000);
});
