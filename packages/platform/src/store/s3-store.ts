import { createHash, randomUUID } from 'node:crypto';
import type * as minio from 'minio';
import { createRequire } from 'node:module';
import {
  ArtifactMissing,
  hashOfKey,
  keyOf,
  meter,
  publishAtOnce,
  quarantineKey,
  quarantineOfKey,
  readVerified,
  reasonOfNote,
  sha256OfStream,
  type ArtifactStore,
} from './artifact-store.js';

export interface S3Settings {
  endpoint: string;
  port: number;
  useSSL: boolean;
  accessKey: string;
  secretKey: string;
  bucket: string;
  region?: string | undefined;
}

/** Of an empty object beside an upload in parts. */
const startedSuffix = '.started';

/** Also the size from which content goes up in parts. */
const partSize = 16 * 1024 * 1024;

/**
 * Artifacts as objects `sha256/ab/cdef…` of a bucket, made on first use. A stream, whose name is known only at its
 * end, goes to a temporary key (in parts where it is large) and is then copied within the server.
 */
export function s3Store(settings: S3Settings): ArtifactStore {
  const { endpoint, port, useSSL, accessKey, secretKey, bucket, region } = settings;
  // Loaded where there is such a store: it takes a second and 40 MB of every process.
  const { Client, CopyDestinationOptions, CopySourceOptions } = createRequire(import.meta.url)(
    'minio',
  ) as typeof minio;
  const client = new Client({
    endPoint: endpoint,
    port,
    useSSL,
    accessKey,
    secretKey,
    partSize,
    ...(region === undefined ? {} : { region }),
  });
  let ready: Promise<void> | null = null;
  const bucketReady = (): Promise<void> => {
    ready ??= makeBucket(client, bucket, region).catch((error: unknown) => {
      ready = null;
      throw error;
    });
    return ready;
  };
  const copy = (from: string, to: string): Promise<unknown> =>
    client.copyObject(
      new CopySourceOptions({ Bucket: bucket, Object: from }),
      new CopyDestinationOptions({ Bucket: bucket, Object: to }),
    );
  const statOf = async (key: string): Promise<{ size: number; etag: string } | null> => {
    try {
      return await client.statObject(bucket, key);
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  };
  const textOf = async (key: string): Promise<string | null> => {
    try {
      const parts: Buffer[] = [];
      for await (const part of await client.getObject(bucket, key)) parts.push(part as Buffer);
      return Buffer.concat(parts).toString();
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  };
  async function* objects(
    prefix: string,
  ): AsyncGenerator<{ name: string; size: number; lastModified: Date }, void> {
    const found: AsyncIterable<{ name?: string; size: number; lastModified?: Date }> = client.listObjectsV2(
      bucket,
      prefix,
      true,
    );
    for await (const { name, size, lastModified } of found) {
      if (name !== undefined) yield { name, size, lastModified: lastModified ?? new Date() };
    }
  }
  const discardTemporary = async (key: string): Promise<void> => {
    const uploads: AsyncIterable<{ key: string; uploadId: string }> = client.listIncompleteUploads(
      bucket,
      key,
      true,
    );
    for await (const upload of uploads) {
      if (upload.key === key) await client.abortMultipartUpload(bucket, key, upload.uploadId);
    }
    await client.removeObject(bucket, key);
    await client.removeObject(bucket, key + startedSuffix);
  };

  const store: ArtifactStore = {
    put: (content) => publishAtOnce(store.stage(content)),

    async stage(content) {
      await bucketReady();
      const metered = meter();
      const blocks = inBlocks(metered.through(content instanceof Uint8Array ? [content] : content));
      const first = (await blocks.next()).value ?? Buffer.alloc(0);
      const second = await blocks.next();
      if (second.done === true) {
        const reference = metered.reference();
        return {
          ...reference,
          discard: () => Promise.resolve(),
          publish: async () => {
            // An object appears whole, with the checksum of what was sent; over a damaged one it heals it.
            await client.putObject(bucket, keyOf(reference.hash), first, first.byteLength);
          },
        };
      }
      const temporary = `temporary/${randomUUID()}`;
      const discard = (): Promise<void> => discardTemporary(temporary).catch(() => undefined);
      try {
        // Says that there is an upload: some servers list those in parts only to whoever knows their key.
        await client.putObject(bucket, temporary + startedSuffix, Buffer.alloc(0), 0);
        await uploadParts(client, bucket, temporary, [first, second.value], blocks);
      } catch (error) {
        await discard();
        throw error;
      }
      const reference = metered.reference();
      return {
        ...reference,
        discard,
        publish: async () => {
          await copy(temporary, keyOf(reference.hash));
        },
      };
    },

    async get(hash, range) {
      await bucketReady();
      const key = keyOf(hash);
      try {
        if (!range) return await client.getObject(bucket, key);
        const length = range.end === undefined ? 0 : range.end - range.start + 1;
        return await client.getPartialObject(bucket, key, range.start, length);
      } catch (error) {
        if (isMissing(error)) throw new ArtifactMissing(hash);
        throw error;
      }
    },

    async read(hash) {
      return readVerified(hash, await store.get(hash));
    },

    async has(hash) {
      await bucketReady();
      const found = await statOf(keyOf(hash));
      return found === null ? null : { hash, bytes: found.size };
    },

    async quarantine(hash, reason) {
      await bucketReady();
      const key = keyOf(hash);
      const before = await statOf(key);
      if (before === null) return 'absent';
      const found = await sha256OfStream(await store.get(hash));
      if (found === hash) return 'sound';
      const at = new Date();
      const aside = quarantineKey(hash, at);
      const note = Buffer.from(JSON.stringify({ hash, at, reason, found }));
      await client.putObject(bucket, `${aside}.json`, note, note.byteLength);
      await copy(key, aside);
      if ((await statOf(key))?.etag !== before.etag) {
        // Other bytes came between the look and the copy.
        await store.discard({ hash, at, reason, key: aside, bytes: 0 });
        return (await statOf(key)) === null ? 'absent' : 'sound';
      }
      await client.removeObject(bucket, key);
      return 'taken';
    },

    async *quarantined(hash) {
      await bucketReady();
      for await (const { name, size } of objects(`quarantine/${hash ?? ''}`)) {
        const known = quarantineOfKey(name);
        if (known === null) continue;
        yield { ...known, bytes: size, reason: reasonOfNote(await textOf(`${name}.json`)), key: name };
      }
    },

    async discard({ key }) {
      await bucketReady();
      if (quarantineOfKey(key) === null) return;
      await client.removeObject(bucket, key);
      await client.removeObject(bucket, `${key}.json`);
    },

    async delete(hash) {
      await bucketReady();
      await client.removeObject(bucket, keyOf(hash));
    },

    async *list() {
      await bucketReady();
      for await (const { name, size, lastModified } of objects('sha256/')) {
        const hash = hashOfKey(name);
        if (hash !== null) yield { hash, bytes: size, writtenAt: lastModified };
      }
    },

    async *leftovers(before) {
      await bucketReady();
      for await (const { name, size, lastModified } of objects('temporary/')) {
        if (lastModified < before) yield { key: name, bytes: size, since: lastModified };
      }
    },

    async removeLeftover({ key }) {
      await bucketReady();
      await discardTemporary(key.endsWith(startedSuffix) ? key.slice(0, -startedSuffix.length) : key);
    },

    // S3 has no question for it.
    freeBytes: () => Promise.resolve(null),
  };
  return store;
}

/** The same bytes in blocks of the size of a part; the last may be smaller. */
async function* inBlocks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, undefined> {
  let kept: Uint8Array[] = [];
  let size = 0;
  for await (let chunk of content) {
    while (size + chunk.byteLength >= partSize) {
      const rest = partSize - size;
      yield Buffer.concat([...kept, chunk.subarray(0, rest)]);
      chunk = chunk.subarray(rest);
      kept = [];
      size = 0;
    }
    if (chunk.byteLength > 0) kept.push(chunk);
    size += chunk.byteLength;
  }
  if (size > 0) yield Buffer.concat(kept);
  return undefined;
}

/**
 * A multipart upload that ends when its source fails. (`putObject` pipes a stream without looking for its errors and
 * would wait for ever.)
 */
async function uploadParts(
  client: minio.Client,
  bucket: string,
  key: string,
  first: readonly Buffer[],
  rest: AsyncIterable<Buffer>,
): Promise<void> {
  const uploadID = await client.initiateNewMultipartUpload(bucket, key, {});
  try {
    const parts: { part: number; etag: string }[] = [];
    const send = async (block: Buffer): Promise<void> => {
      const partNumber = parts.length + 1;
      const headers = { 'Content-MD5': createHash('md5').update(block).digest('base64') };
      const sent = await client.uploadPart(
        { bucketName: bucket, objectName: key, uploadID, partNumber, headers },
        block,
      );
      parts.push({ part: partNumber, etag: sent.etag });
    };
    for (const block of first) await send(block);
    for await (const block of rest) await send(block);
    await client.completeMultipartUpload(bucket, key, uploadID, parts);
  } catch (error) {
    await client.abortMultipartUpload(bucket, key, uploadID).catch(() => undefined);
    throw error;
  }
}

async function makeBucket(client: minio.Client, bucket: string, region: string | undefined): Promise<void> {
  if (await client.bucketExists(bucket)) return;
  await client.makeBucket(bucket, region ?? '').catch((error: unknown) => {
    // Another process was first.
    if (codeOf(error) !== 'BucketAlreadyOwnedByYou') throw error;
  });
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

function isMissing(error: unknown): boolean {
  return ['NotFound', 'NoSuchKey'].includes(String(codeOf(error)));
}
