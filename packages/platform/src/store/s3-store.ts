import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { Client, CopyDestinationOptions, CopySourceOptions } from 'minio';
import {
  ArtifactMissing,
  hashOfKey,
  keyOf,
  meter,
  readVerified,
  sha256Of,
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

/** Also the size from which content goes up in parts. */
const partSize = 16 * 1024 * 1024;

/**
 * Artifacts as objects `sha256/ab/cdef…` of a bucket, made on first use. A stream, whose name is known only at its
 * end, goes to a temporary key (in parts where it is large) and is then copied within the server.
 */
export function s3Store(settings: S3Settings): ArtifactStore {
  const { endpoint, port, useSSL, accessKey, secretKey, bucket, region } = settings;
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
  const sizeOf = async (key: string): Promise<number | null> => {
    try {
      return (await client.statObject(bucket, key)).size;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  };

  const store: ArtifactStore = {
    async put(content) {
      await bucketReady();
      if (content instanceof Uint8Array) {
        const reference = { hash: sha256Of(content), bytes: content.byteLength };
        const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
        // An object appears whole, with the checksum of what was sent; over a damaged one it heals it.
        await client.putObject(bucket, keyOf(reference.hash), bytes, bytes.byteLength);
        return reference;
      }
      const temporary = `temporary/${randomUUID()}`;
      const metered = meter();
      try {
        await client.putObject(
          bucket,
          temporary,
          Readable.from(metered.through(content), { objectMode: false }),
        );
        const reference = metered.reference();
        const arrived = await sizeOf(temporary);
        if (arrived !== reference.bytes) {
          throw new Error(`the object store took ${arrived} of ${reference.bytes} bytes: try again`);
        }
        await copy(temporary, keyOf(reference.hash));
        return reference;
      } finally {
        await client.removeObject(bucket, temporary).catch(() => undefined);
      }
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
      const bytes = await sizeOf(keyOf(hash));
      return bytes === null ? null : { hash, bytes };
    },

    async quarantine(hash) {
      await bucketReady();
      if ((await sizeOf(keyOf(hash))) === null) return;
      await copy(keyOf(hash), `quarantine/${hash}.${Date.now()}`);
      await client.removeObject(bucket, keyOf(hash));
    },

    async delete(hash) {
      await bucketReady();
      await client.removeObject(bucket, keyOf(hash));
    },

    async *list() {
      await bucketReady();
      const objects: AsyncIterable<{ name?: string; size: number }> = client.listObjectsV2(
        bucket,
        'sha256/',
        true,
      );
      for await (const { name, size } of objects) {
        const hash = hashOfKey(name ?? '');
        if (hash !== null) yield { hash, bytes: size };
      }
    },
  };
  return store;
}

async function makeBucket(client: Client, bucket: string, region: string | undefined): Promise<void> {
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
