import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { artifactReference, garbageReport, verification } from '@ferment/contracts';
import request from 'supertest';
import { importFaces, type Installation, spec, startInstallation } from './support/installation.js';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation();
}, 60_000);
afterAll(() => installation.stop(), 30_000);

const post = (path: string, body: object, role: 'researcher' | 'admin' = 'admin') =>
  request(installation.api.url)
    .post(`/api/v1/${path}`)
    .set({ Authorization: `Bearer ${installation.secrets[role]}` })
    .send(body);
const upload = async (text: string) =>
  artifactReference.parse(
    (
      await request(installation.api.url)
        .post('/api/v1/artifacts')
        .set({ Authorization: `Bearer ${installation.secrets.researcher}` })
        .set('Content-Type', 'application/octet-stream')
        .send(Buffer.from(text))
        .expect(201)
    ).body,
  );

describe('gc', () => {
  it('says what it would delete, then deletes it, and leaves what is in use', async () => {
    const version = await importFaces(installation);
    await post('experiments', { text: spec }, 'researcher').expect(201);
    const unused = await upload('weights that nobody uses');
    const dry = garbageReport.parse((await post('gc', { dryRun: true, graceSeconds: 0 }).expect(200)).body);
    expect(dry.artifacts).toEqual({ upload: { count: 1, bytes: unused.bytes } });
    expect(await installation.store.has(unused.hash)).not.toBeNull();
    const graceful = garbageReport.parse((await post('gc', {}).expect(200)).body);
    expect(graceful).toMatchObject({ artifacts: {}, waiting: { artifacts: 1 }, graceSeconds: 86_400 });
    const done = garbageReport.parse((await post('gc', { graceSeconds: 0 }).expect(200)).body);
    expect(done).toMatchObject({ complete: true, jobs: 0, artifacts: { upload: { count: 1 } } });
    expect(await installation.store.has(unused.hash)).toBeNull();
    expect(await installation.store.has(version)).not.toBeNull();
  });

  it('refuses what is no grace', async () => {
    await post('gc', { graceSeconds: -1 }).expect(422);
    await post('gc', { dry: true }).expect(422);
  });
});

describe('an audit of the artifacts', () => {
  it('reads all of them and names those that are missing', async () => {
    const { hash } = await upload('a file that somebody deletes');
    const sound = verification.parse((await post('artifacts/verify', {}).expect(200)).body);
    expect(sound).toMatchObject({ corrupt: [], missing: [], next: null });
    expect(sound.checked).toBe(sound.total.count);
    await installation.store.delete(hash);
    const found = verification.parse((await post('artifacts/verify', {}).expect(200)).body);
    expect(found.missing).toMatchObject([{ hash, outcome: 'cannot be made again' }]);
  });
});
