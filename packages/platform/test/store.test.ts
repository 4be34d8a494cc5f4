import { afterAll, beforeAll, describe, expect, test, jest } from '@jest/globals';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describeWith, startMinio, temporaryFolder, type RunningS3 } from '../../../test/support/services.js';
import { ArtifactCorrupt, ArtifactMissing, folderStore, s3Store, type ArtifactStore } from '../src/index.js';

// Several servers start on a machine that other suites keep busy.
jest.setTimeout(60_000);

/** What every store must do; `damage` changes stored bytes behind its back. */
function conformance(open: () => ArtifactStore, damage: (hash: string) => Promise<void>): void {
  const text = (content: string): Uint8Array => new TextEncoder().encode(content);
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
  }
  async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of stream) parts.push(part);
    return Buffer.concat(parts);
  }

  test('names content by its SHA-256 and gives it back', async () => {
    const bytes = text('a face');
    const reference = await open().put(bytes);
    expect(reference).toEqual({ hash: sha256(bytes), bytes: 6 });
    expect(await open().has(reference.hash)).toEqual(reference);
    expect(Buffer.from(await open().read(reference.hash)).toString()).toBe('a face');
  });

  test('takes a stream larger than one part', async () => {
    const bytes = randomBytes(40 * 1024 * 1024 + 7);
    const reference = await open().put(inPieces(bytes, 1_000_003));
    expect(reference).toEqual({ hash: sha256(bytes), bytes: bytes.byteLength });
    expect(sha256(await open().read(reference.hash))).toBe(reference.hash);
  });

  test('takes empty content', async () => {
    const reference = await open().put(new Uint8Array());
    expect(reference).toEqual({ hash: sha256(new Uint8Array()), bytes: 0 });
    expect((await open().read(reference.hash)).byteLength).toBe(0);
  });

  test('gives a range, ends included', async () => {
    const { hash } = await open().put(text('0123456789'));
    expect((await collect(await open().get(hash, { start: 2, end: 5 }))).toString()).toBe('2345');
    expect((await collect(await open().get(hash, { start: 7 }))).toString()).toBe('789');
    expect((await collect(await open().get(hash, { start: 0, end: 0 }))).toString()).toBe('0');
  });

  test.each([7, 40_000_000])('a writer that fails after %i bytes leaves nothing to be read', async (size) => {
    const before = await listed();
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield* inPieces(new Uint8Array(size), 1_000_000);
      throw new Error('the writer died');
    }
    await expect(open().put(failing())).rejects.toThrow('the writer died');
    expect(await listed()).toEqual(before);
  });

  test('the same content from many writers at once is one artifact', async () => {
    const bytes = randomBytes(200_000);
    const references = await Promise.all(
      Array.from({ length: 6 }, () => open().put(inPieces(bytes, 50_000))),
    );
    expect(new Set(references.map(({ hash }) => hash)).size).toBe(1);
    expect((await listed()).filter((hash) => hash === sha256(bytes))).toHaveLength(1);
  });

  test('what is not there is missing, whatever the name looks like', async () => {
    const absent = sha256(randomBytes(8));
    expect(await open().has(absent)).toBeNull();
    await expect(open().read(absent)).rejects.toThrow(ArtifactMissing);
    await expect(open().get(absent)).rejects.toThrow(ArtifactMissing);
    await expect(open().get('../../etc/passwd')).rejects.toThrow(ArtifactMissing);
    expect(await open().quarantine(absent, 'test')).toBe('absent');
    await expect(open().delete(absent)).resolves.toBeUndefined();
  });

  test('damaged bytes are never given out as the artifact; put aside, they can be stored again', async () => {
    const bytes = text('weights that a disk will spoil');
    const { hash } = await open().put(bytes);
    await damage(hash);
    await expect(open().read(hash)).rejects.toThrow(ArtifactCorrupt);
    expect(await open().quarantine(hash, 'found in a test')).toBe('taken');
    expect(await open().has(hash)).toBeNull();
    const [aside] = await quarantined(hash);
    expect(aside).toMatchObject({ hash, bytes: 6, reason: 'found in a test' });
    expect(Date.now() - Number(aside?.at)).toBeLessThan(60_000);
    await open().put(bytes);
    expect(await open().read(hash)).toEqual(Buffer.from(bytes));
  });

  test('sound bytes are not put in quarantine, and what was put there can be deleted', async () => {
    const { hash } = await open().put(text('weights that somebody suspects'));
    expect(await open().quarantine(hash, 'a suspicion')).toBe('sound');
    expect(await open().has(hash)).not.toBeNull();
    expect(await quarantined(hash)).toEqual([]);
    await damage(hash);
    await open().quarantine(hash, 'a fact');
    for (const aside of await quarantined(hash)) await open().discard(aside);
    expect(await quarantined(hash)).toEqual([]);
  });

  test.each([100, 40_000_000])('%i staged bytes can be read only once they are published', async (size) => {
    const bytes = randomBytes(size);
    const staged = await open().stage(inPieces(bytes, 1_000_000));
    expect(staged).toMatchObject({ hash: sha256(bytes), bytes: size });
    expect(await open().has(staged.hash)).toBeNull();
    await staged.publish();
    await staged.discard();
    expect(sha256(await open().read(staged.hash))).toBe(staged.hash);
    expect(await leftovers()).toEqual([]);
    const dropped = await open().stage(inPieces(randomBytes(size), 1_000_000));
    await dropped.discard();
    expect(await open().has(dropped.hash)).toBeNull();
    expect(await leftovers()).toEqual([]);
  });

  test('what a writer that died left behind is found and removed', async () => {
    await open().stage(inPieces(randomBytes(20_000_000), 1_000_000));
    expect((await leftovers()).length).toBeGreaterThan(0);
    expect(await leftovers(new Date(Date.now() - 60_000))).toEqual([]);
    for (const leftover of await leftovers()) await open().removeLeftover(leftover);
    expect(await leftovers()).toEqual([]);
  });

  test('put over damaged bytes heals them', async () => {
    const bytes = text('weights that are computed twice');
    const { hash } = await open().put(bytes);
    await damage(hash);
    await open().put(inPieces(bytes, 5));
    expect(await open().read(hash)).toEqual(Buffer.from(bytes));
  });

  test('deleted means gone', async () => {
    const { hash } = await open().put(text('not for long'));
    await open().delete(hash);
    expect(await open().has(hash)).toBeNull();
  });

  async function quarantined(wanted: string) {
    const found = [];
    for await (const aside of open().quarantined(wanted)) found.push(aside);
    return found;
  }

  async function leftovers(before = new Date(Date.now() + 60_000)) {
    const found = [];
    for await (const leftover of open().leftovers(before)) found.push(leftover);
    return found;
  }

  async function listed(): Promise<string[]> {
    const hashes: string[] = [];
    for await (const { hash } of open().list()) hashes.push(hash);
    return hashes.sort();
  }
}

const fileOf = (folder: string, hash: string): string =>
  path.join(folder, 'sha256', hash.slice(0, 2), hash.slice(2));

describe('folder store', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
  });
  afterAll(() => folder.remove());

  conformance(
    () => folderStore(folder.path),
    (hash) => writeFile(fileOf(folder.path, hash), 'spoilt'),
  );

  test('a file cut short by a crash of the disk is corrupt, and the half-written one of a writer is no artifact', async () => {
    const store = folderStore(folder.path);
    const { hash } = await store.put(randomBytes(1000));
    await truncate(fileOf(folder.path, hash), 500);
    await expect(store.read(hash)).rejects.toThrow(ArtifactCorrupt);
    const temporary = await readdir(path.join(folder.path, 'temporary'));
    expect(temporary).toEqual([]);
    expect((await readFile(fileOf(folder.path, hash))).byteLength).toBe(500);
  });
});

describeWith('s3', 'S3 store', () => {
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
  });
  afterAll(() => server.stop());

  conformance(
    () => s3Store(settings()),
    async (hash) => {
      const { Client } = await import('minio');
      const { endpoint, ...rest } = settings();
      const key = `sha256/${hash.slice(0, 2)}/${hash.slice(2)}`;
      await new Client({ endPoint: endpoint, ...rest }).putObject('artifacts', key, 'spoilt');
    },
  );

  test('an upload in parts that was never completed is found and aborted', async () => {
    const { Client } = await import('minio');
    const { endpoint, bucket, ...rest } = settings();
    const client = new Client({ endPoint: endpoint, ...rest });
    // What a writer leaves that is killed between two parts.
    const key = 'temporary/9d2ff5a3';
    await client.putObject(bucket, `${key}.started`, '');
    const uploadId = await client.initiateNewMultipartUpload(bucket, key, {});
    await client.uploadPart(
      { bucketName: bucket, objectName: key, uploadID: uploadId, partNumber: 1, headers: {} },
      randomBytes(5 * 1024 * 1024),
    );
    const open = async () => {
      const found: AsyncIterable<{ uploadId: string }> = client.listIncompleteUploads(bucket, key, true);
      const ids = [];
      for await (const upload of found) ids.push(upload.uploadId);
      return ids;
    };
    expect(await open()).toEqual([uploadId]);
    const store = s3Store(settings());
    for await (const leftover of store.leftovers(new Date(Date.now() + 60_000)))
      await store.removeLeftover(leftover);
    expect(await open()).toEqual([]);
  });

  test('nothing temporary stays behind', async () => {
    const { Client } = await import('minio');
    const { endpoint, bucket, ...rest } = settings();
    const names: string[] = [];
    const objects: AsyncIterable<{ name?: string }> = new Client({
      endPoint: endpoint,
      ...rest,
    }).listObjectsV2(bucket, 'temporary/', true);
    for await (const { name } of objects) names.push(name ?? '');
    expect(names).toEqual([]);
  });
});
