import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { PlannedJob } from '@ferment/contracts';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeWith, startMinio, until, type RunningS3 } from '../../../test/support/services.js';
import {
  ArtifactRecords,
  folderStore,
  GarbageCollector,
  NotFound,
  s3Store,
  StoreEmpty,
  verifyArtifacts,
  type ArtifactStore,
  type Claim,
} from '../src/index.js';
import { startInstallation, type Installation } from './support/installation.js';
import { keyOf, smallExperiment } from './support/plans.js';

jest.setTimeout(120_000);

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation();
}, 60_000);
afterAll(() => installation.stop());

function importOf(source: string, dataset = 'faces'): PlannedJob {
  const params = { dataset, source, fileName: 'f.csv', skipBad: false, synthetic: true };
  const key = keyOf('import', dataset, source);
  return { key, kind: 'import', params, inputs: [], stage: null, resource: 'light', threads: 1, cost: null };
}

/** Finishes a claimed job as a worker does: says what it will store, stores it, completes. */
async function finish(store: ArtifactStore, claim: Claim, contents: Record<string, Uint8Array>) {
  const files = Object.entries(contents).map(([role, bytes]) => ({
    role,
    bytes,
    reference: { hash: sha256(bytes), bytes: bytes.byteLength },
  }));
  const { jobId, attempt } = claim;
  const references = files.map(({ reference }) => reference);
  expect(await installation.attempts.publish(jobId, attempt, references)).toBe(true);
  const outputs: Record<string, { hash: string; bytes: number }> = {};
  for (const { role, bytes } of files) outputs[role] = await store.put(bytes);
  expect(await installation.attempts.complete(jobId, attempt, { outputs, result: {} })).toBe(true);
  return outputs;
}

/** Creates an experiment and trains its teacher. */
async function trained(store: ArtifactStore, salt: string, variants = ['baseline']) {
  const { id } = await installation.experiments.create(smallExperiment(salt, { variants }));
  const teacher = await teacherOf(id);
  const contents = { best: Buffer.from(`best of ${salt}`), last: Buffer.from(`last of ${salt}`) };
  const outputs = await finish(store, await installation.take(teacher), contents);
  return { id, teacher, contents, outputs };
}

async function teacherOf(experimentId: string): Promise<string> {
  const jobs = await installation.experiments.jobs(experimentId);
  const teacher = jobs.find(({ kind }) => kind === 'train');
  if (!teacher) throw new Error('the plan has no teacher');
  return teacher.id;
}

/** What an experiment's deletion leaves to the collector. */
const forget = (id: string) => installation.database.pool.query('DELETE FROM experiment WHERE id = $1', [id]);

async function exists(table: 'job' | 'artifact', id: string): Promise<boolean> {
  const column = table === 'job' ? 'id' : 'hash';
  const { rowCount } = await installation.database.pool.query(
    `SELECT FROM ${table} WHERE ${column}::text = $1`,
    [id],
  );
  return rowCount === 1;
}

async function eventsOf(jobId: string): Promise<number> {
  const { rowCount } = await installation.database.pool.query('SELECT FROM event WHERE job_id = $1', [jobId]);
  return rowCount ?? 0;
}

/** The same tests on each store. */
function collecting(open: () => ArtifactStore): void {
  const now = { graceSeconds: 0, dryRun: false };
  const collector = (store = open()) => new GarbageCollector(installation.database, store);

  it('deletes the jobs and files of a deleted experiment after the grace, and what is shared stays', async () => {
    const store = open();
    const salt = `deleted-${randomInt(1e9)}`;
    const { id, teacher, outputs } = await trained(store, salt);
    const other = await installation.experiments.create(
      smallExperiment(salt, { variants: ['other'], name: 'other' }),
    );
    await forget(id);
    await collector().collect(now);
    // The other experiment has the same teacher.
    expect(await exists('job', teacher)).toBe(true);
    expect(await store.read(outputs['best']?.hash ?? '')).toEqual(Buffer.from(`best of ${salt}`));
    await forget(other.id);

    const dry = await collector().collect({ graceSeconds: 0, dryRun: true });
    expect(dry).toMatchObject({ dryRun: true, complete: true, jobs: 4 });
    const bytes = Buffer.byteLength(`best of ${salt}`) + Buffer.byteLength(`last of ${salt}`);
    expect(dry.artifacts['checkpoint']).toEqual({ count: 2, bytes });
    expect(await exists('job', teacher)).toBe(true);

    const early = await collector().collect({ graceSeconds: 3600, dryRun: false });
    expect(early.jobs).toBe(0);
    expect(early.waiting.jobs).toBe(4);
    expect(await store.has(outputs['best']?.hash ?? '')).not.toBeNull();
    expect(await eventsOf(teacher)).toBeGreaterThan(0);

    const done = await collector().collect(now);
    expect(await eventsOf(teacher)).toBe(0);
    expect(done).toMatchObject({ jobs: 4, artifacts: { checkpoint: { count: 2, bytes } } });
    expect(await exists('job', teacher)).toBe(false);
    for (const { hash } of Object.values(outputs)) {
      expect(await exists('artifact', hash)).toBe(false);
      expect(await store.has(hash)).toBeNull();
    }
  });

  it('keeps an upload as long as a job names it', async () => {
    const store = open();
    const records = new ArtifactRecords(installation.database, store);
    const name = `u${randomInt(1e9)}`;
    const { hash } = await records.add(Buffer.from(`a csv file ${name}`), 'upload');
    const unused = await records.add(Buffer.from(`a file that nobody uses ${name}`), 'upload');
    const job = await installation.jobs.submit(importOf(hash, name));
    const dataset = Buffer.from(`a version of ${name}`);
    const claim = await installation.take(job.id);
    await installation.attempts.publish(claim.jobId, claim.attempt, [
      { hash: sha256(dataset), bytes: dataset.byteLength },
    ]);
    const version = await store.put(dataset);
    const result = { dataset: name, version: version.hash, bytes: version.bytes, summary: {} };
    await installation.attempts.complete(job.id, claim.attempt, { outputs: { dataset: version }, result });
    expect(
      (await collector().collect({ graceSeconds: 60, dryRun: false })).artifacts['upload'],
    ).toBeUndefined();
    const report = await collector().collect(now);
    expect(report.artifacts['upload']).toEqual({ count: 1, bytes: unused.bytes });
    expect(await store.has(unused.hash)).toBeNull();
    expect(await store.has(hash)).not.toBeNull();
    expect(await store.has(version.hash)).not.toBeNull();
  });

  it('finds bytes that the database does not know, and spares those that a job names', async () => {
    const store = open();
    const unknown = await store.put(randomBytes(1000));
    const source = await store.put(randomBytes(10));
    const job = await installation.jobs.submit(importOf(source.hash, `n${randomInt(1e9)}`));
    const dry = await collector().collect({ graceSeconds: 0, dryRun: true });
    expect(dry.artifacts['unknown']).toEqual({ count: 1, bytes: 1000 });
    expect((await collector().collect({ graceSeconds: 60, dryRun: false })).artifacts).toEqual({});
    expect((await collector().collect(now)).artifacts['unknown']).toEqual({ count: 1, bytes: 1000 });
    expect(await store.has(unknown.hash)).toBeNull();
    expect(await store.has(source.hash)).not.toBeNull();
    await installation.database.pool.query(`UPDATE job SET state = 'cancelled' WHERE id = $1`, [job.id]);
    await collector().collect(now);
    expect(await store.has(source.hash)).toBeNull();
  });

  it('reports rows whose bytes are gone, and the jobs that made them run again', async () => {
    const store = open();
    const { id, teacher, outputs } = await trained(store, `gone-${randomInt(1e9)}`);
    const hash = outputs['best']?.hash ?? '';
    await store.delete(hash);
    const dry = await collector().collect({ graceSeconds: 0, dryRun: true });
    expect(dry.missing.artifacts.map((lost) => lost.hash)).toEqual([hash]);
    expect((await installation.jobs.get(teacher))?.state).toBe('succeeded');
    const report = await collector().collect(now);
    expect(report.missing).toMatchObject({ count: 1, artifacts: [{ hash, outcome: 'being made again' }] });
    expect((await installation.jobs.get(teacher))?.state).toBe('ready');
    await forget(id);
    await installation.database.pool.query(`UPDATE job SET state = 'cancelled' WHERE id = $1`, [teacher]);
    await collector().collect(now);
  });

  it('an audit reads everything, puts damaged bytes aside and has them made again', async () => {
    const store = open();
    const { id, teacher, contents, outputs } = await trained(store, `audit-${randomInt(1e9)}`);
    const hash = outputs['last']?.hash ?? '';
    const records = new ArtifactRecords(installation.database, store);
    const uploaded = await records.add(Buffer.from(`upload ${randomInt(1e9)}`), 'upload');
    await damage(store, hash);
    await damage(store, uploaded.hash);
    let after: string | undefined;
    const corrupt = [];
    let checked = 0;
    do {
      // Ends after one artifact each time, and goes on.
      const part = await verifyArtifacts(installation.database, store, { after, limitSeconds: 0 });
      corrupt.push(...part.corrupt);
      checked += part.checked;
      after = part.next ?? undefined;
    } while (after !== undefined);
    expect(checked).toBeGreaterThanOrEqual(3);
    expect(corrupt.map((lost) => [lost.hash, lost.outcome]).sort()).toEqual(
      [
        [hash, 'being made again'],
        [uploaded.hash, 'cannot be made again'],
      ].sort(),
    );
    expect(await store.has(hash)).toBeNull();
    for (const lost of [hash, uploaded.hash]) {
      const reasons = [];
      for await (const { reason } of store.quarantined(lost)) reasons.push(reason);
      expect(reasons).toEqual([expect.stringContaining('an audit read the SHA-256')]);
    }
    await finish(store, await installation.take(teacher), contents);
    expect(await store.read(hash)).toEqual(contents.last);
    // The same bytes sent in once more heal the upload.
    expect(await verifyArtifacts(installation.database, store)).toMatchObject({ corrupt: [] });
    await forget(id);
    await collector().collect({ ...now, quarantine: true });
    const left = [];
    for await (const { key } of store.quarantined()) left.push(key);
    expect(left).toEqual([]);
  });

  it('takes nothing for lost where the whole store is gone', async () => {
    const { id, teacher } = await trained(open(), `unmounted-${randomInt(1e9)}`);
    const store = folderStore(path.join(installation.folder, `not-mounted-${randomInt(1e9)}`));
    await expect(new GarbageCollector(installation.database, store).collect(now)).rejects.toThrow(StoreEmpty);
    await expect(verifyArtifacts(installation.database, store)).rejects.toThrow('the store is empty');
    expect(await installation.jobs.get(teacher)).toMatchObject({ state: 'succeeded' });
    await forget(id);
    await collector().collect(now);
  });

  describe('beside other work', () => {
    it('an attempt that is about to store what is being deleted waits, and its bytes are there afterwards', async () => {
      const store = open();
      const { id, teacher, contents } = await trainedBefore(store);
      const gate = gated(store);
      const collecting = collector(gate.store).collect(now);
      await gate.reached;
      const claim = await installation.take(teacher);
      const references = Object.values(contents).map((bytes) => ({
        hash: sha256(bytes),
        bytes: bytes.length,
      }));
      const published = installation.attempts.publish(claim.jobId, claim.attempt, references);
      await somebodyWaits();
      gate.open();
      await collecting;
      expect(await published).toBe(true);
      const outputs = await finish(store, claim, contents);
      await collector().collect(now);
      for (const { hash } of Object.values(outputs)) expect(sha256(await store.read(hash))).toBe(hash);
      await forget(id);
    });

    it('a plan that names an upload which is being deleted is refused', async () => {
      const store = open();
      const records = new ArtifactRecords(installation.database, store);
      const { hash } = await records.add(randomBytes(20), 'upload');
      const gate = gated(store);
      const collecting = collector(gate.store).collect(now);
      await gate.reached;
      const planned = installation.jobs.submit(importOf(hash, `p${randomInt(1e9)}`));
      const refused = expect(planned).rejects.toThrow(NotFound);
      await somebodyWaits();
      gate.open();
      await collecting;
      await refused;
    });

    it('whatever the order: what succeeded can be read', async () => {
      const store = withPauses(open());
      let deleted = 0;
      for (let round = 0; round < 30; round++) {
        const jobs = await Promise.all([1, 2, 3].map(() => trainedBefore(store)));
        const collect = async () => {
          await pauses(randomInt(20));
          const report = await collector(store).collect(now);
          deleted += report.artifacts['checkpoint']?.count ?? 0;
        };
        const work = jobs.map(async ({ teacher, contents }, index) => {
          const [first] = Object.values(contents).map(sha256);
          // Every other time one of them begins when its files have just been removed.
          if (round % 2 === 1 && index === 0 && first !== undefined)
            await until('a file is deleted', async () => !(await exists('artifact', first)));
          const claim = await installation.take(teacher);
          await pauses(randomInt(40));
          return finish(store, claim, contents);
        });
        const [outputs] = await Promise.all([Promise.all(work), collect(), collect()]);
        for (const { hash } of outputs.flatMap((made) => Object.values(made)))
          expect(sha256(await store.read(hash))).toBe(hash);
        for (const { id } of jobs) await forget(id);
        await collector(store).collect(now);
      }
      // It was no walk-over: in half of the rounds the collector was first.
      expect(deleted).toBeGreaterThanOrEqual(15);
    });

    it('whatever the order: a plan finds finished jobs with their files, or makes them anew', async () => {
      const store = withPauses(open());
      const found = { reused: 0, anew: 0 };
      for (let round = 0; round < 25; round++) {
        const salt = `plan-${randomInt(1e9)}`;
        const before = await trained(store, salt);
        await forget(before.id);
        const plan = async () => {
          // Every other time while the files of the deleted jobs are being removed.
          if (round % 2 === 1)
            await until('it is deleted', async () => !(await exists('job', before.teacher)));
          else await pauses(randomInt(30));
          return installation.experiments.create(smallExperiment(salt));
        };
        const [{ id }] = await Promise.all([
          plan(),
          collector(store).collect(now),
          collector(store).collect(now),
        ]);
        const teacher = await installation.jobs.get(await teacherOf(id));
        found[teacher?.state === 'succeeded' ? 'reused' : 'anew'] += 1;
        if (teacher?.state === 'succeeded')
          for (const { hash } of Object.values(teacher.outputs))
            expect(sha256(await store.read(hash))).toBe(hash);
        else expect(teacher?.state).toBe('ready');
        await forget(id);
        await collector(store).collect(now);
      }
      expect(found.reused + found.anew).toBe(25);
      expect(found.anew).toBeGreaterThan(0);
    });
  });

  /** A teacher to be trained whose outputs lie in the store, of no use to anybody, as of an experiment deleted before. */
  async function trainedBefore(store: ArtifactStore) {
    const salt = `again-${randomInt(1e9)}`;
    const contents = { best: Buffer.from(`best of ${salt}`), last: Buffer.from(`last of ${salt}`) };
    const records = new ArtifactRecords(installation.database, store);
    for (const bytes of Object.values(contents)) {
      await records.note({ hash: sha256(bytes), bytes: bytes.byteLength });
      await store.put(bytes);
    }
    await installation.database.pool.query(
      `UPDATE artifact SET unreferenced_at = now(), kind = 'checkpoint' WHERE hash = ANY($1)`,
      [Object.values(contents).map(sha256)],
    );
    const { id } = await installation.experiments.create(smallExperiment(salt));
    return { id, teacher: await teacherOf(id), contents };
  }
}

/** A store whose first deletion waits until it is let through. */
function gated(store: ArtifactStore): { store: ArtifactStore; reached: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  let reach = (): void => undefined;
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const gate: ArtifactStore = {
    ...store,
    async delete(hash) {
      reach();
      await opened;
      await store.delete(hash);
    },
  };
  return { store: gate, reached, open };
}

/** Until a transaction waits for a lock that another one holds. */
function somebodyWaits(): Promise<void> {
  return until('somebody waits', async () => {
    const { rowCount } = await installation.database.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return (rowCount ?? 0) > 0;
  });
}

async function pauses(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** A store that takes its time, each time another one. */
function withPauses(store: ArtifactStore): ArtifactStore {
  return {
    ...store,
    async put(content) {
      await pauses(randomInt(30));
      const reference = await store.put(content);
      await pauses(randomInt(10));
      return reference;
    },
    async delete(hash) {
      await pauses(randomInt(30));
      await store.delete(hash);
      await pauses(randomInt(10));
    },
  };
}

let damage: (store: ArtifactStore, hash: string) => Promise<void>;

describe('the garbage collector on a folder', () => {
  const folder = () => path.join(installation.folder, 'artifacts');
  beforeAll(() => {
    damage = (_store, hash) =>
      writeFile(path.join(folder(), 'sha256', hash.slice(0, 2), hash.slice(2)), 'spoilt');
  });
  afterAll(clean);
  collecting(() => folderStore(folder()));

  it('removes temporary files of writers that died, and not of those at work', async () => {
    const store = folderStore(folder());
    const old = path.join(folder(), 'temporary', 'old');
    for (const name of [old, path.join(folder(), 'temporary', 'young')]) await writeFile(name, 'half');
    await utimes(old, 0, 0);
    const report = await new GarbageCollector(installation.database, store).collect({
      graceSeconds: 0,
      dryRun: false,
    });
    expect(report.artifacts['temporary']).toEqual({ count: 1, bytes: 4 });
    expect(await readdir(path.join(folder(), 'temporary'))).toEqual(['young']);
  });
});

describeWith('s3', 'the garbage collector on S3', () => {
  let server: RunningS3;
  const settings = () => ({
    endpoint: server.host,
    port: server.port,
    useSSL: false,
    accessKey: server.accessKey,
    secretKey: server.secretKey,
    bucket: 'artifacts',
  });
  beforeAll(async () => {
    server = await startMinio();
    damage = async (_store, hash) => {
      const { Client } = await import('minio');
      const { endpoint, ...rest } = settings();
      const key = `sha256/${hash.slice(0, 2)}/${hash.slice(2)}`;
      await new Client({ endPoint: endpoint, ...rest }).putObject('artifacts', key, 'spoilt');
    };
  });
  afterAll(async () => {
    await clean();
    await server.stop();
  });
  collecting(() => s3Store(settings()));
});

/** Each store begins with a database that knows no file. */
async function clean(): Promise<void> {
  await installation.database.pool.query(
    'TRUNCATE experiment, dataset, dataset_version, job, artifact CASCADE',
  );
}
