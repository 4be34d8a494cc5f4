import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { ExperimentDetail, JobItem } from '@ferment/contracts';
import { openQueues } from '@ferment/platform';
import request from 'supertest';
import { describeWith, startMinio, startRedis } from '../../../test/support/services.js';
import { importFaces, type Installation, spec, startInstallation, until } from './support/installation.js';

const as = (installation: Installation, role: 'viewer' | 'researcher') => ({
  Authorization: `Bearer ${installation.secrets[role]}`,
});

describeWith('redis', 'the API with BullMQ on Redis', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>;
  let installation: Installation;

  beforeAll(async () => {
    redis = await startRedis();
    installation = await startInstallation({ FERMENT_QUEUE: 'redis', FERMENT_REDIS_URL: redis.url });
    await importFaces(installation);
  }, 60_000);
  afterAll(async () => {
    await installation.stop();
    await redis.stop();
  }, 30_000);

  it('hands a submitted experiment’s ready job to the queue', async () => {
    const base = request(installation.api.url);
    const created = await base
      .post('/api/v1/experiments')
      .set(as(installation, 'researcher'))
      .send({ text: spec })
      .expect(201);
    const { id } = created.body as ExperimentDetail;
    const jobs = await base.get(`/api/v1/experiments/${id}/jobs`).set(as(installation, 'viewer')).expect(200);
    const training = (jobs.body as JobItem[]).find(({ kind }) => kind === 'train');
    const queues = openQueues(installation.settings.queue);
    try {
      await until(async () => {
        const waiting = await queues.cpu.getJobs(['waiting', 'prioritized', 'delayed']);
        return waiting.some((job) => job.data.jobId === training?.id);
      }, 'the training in the queue');
    } finally {
      await queues.close();
    }
  });
});

describeWith('s3', 'the API with an S3 store', () => {
  let s3: Awaited<ReturnType<typeof startMinio>>;
  let installation: Installation;
  const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));

  beforeAll(async () => {
    s3 = await startMinio();
    installation = await startInstallation({
      FERMENT_STORE: 's3',
      FERMENT_S3_ENDPOINT: s3.endpoint,
      FERMENT_S3_ACCESS_KEY: s3.accessKey,
      FERMENT_S3_SECRET_KEY: s3.secretKey,
    });
  }, 60_000);
  afterAll(async () => {
    await installation.stop();
    await s3.stop();
  }, 30_000);

  it('streams uploads in and downloads out, whole and in parts', async () => {
    const base = request(installation.api.url);
    const upload = await base
      .post('/api/v1/datasets/faces/versions')
      .query({ fileName: 'f.csv' })
      .set(as(installation, 'researcher'))
      .set('Content-Type', 'application/octet-stream')
      .send(content)
      .expect(202);
    const { source } = upload.body as { source: string };
    const read = () => base.get(`/api/v1/artifacts/${source}`).set(as(installation, 'viewer')).buffer(true);
    expect(Buffer.from((await read().expect(200)).body as Uint8Array)).toEqual(content);
    const part = await read().set('Range', 'bytes=99990-').expect(206);
    expect(Buffer.from(part.body as Uint8Array)).toEqual(content.subarray(99_990));
    await base.get('/ready').expect(200);
  });
});
