import { describe, expect, test } from '@jest/globals';
import { readSettings } from '../src/index.js';

const minimal = {
  FERMENT_DATABASE_URL: 'postgresql://ferment@127.0.0.1:5432/ferment',
  FERMENT_DATA: '/data',
};

describe('settings', () => {
  test('a database is enough: the queue is in it, artifacts are in the data folder', () => {
    expect(readSettings(minimal)).toMatchObject({
      databaseUrl: minimal.FERMENT_DATABASE_URL,
      queue: { backend: 'postgres', url: minimal.FERMENT_DATABASE_URL },
      store: { kind: 'folder', folder: '/data/artifacts' },
      host: '127.0.0.1',
      logLevel: 'info',
    });
  });

  test('Redis and S3 are two settings', () => {
    const { queue, store } = readSettings({
      ...minimal,
      FERMENT_QUEUE: 'redis',
      FERMENT_REDIS_URL: 'redis://redis:6380',
      FERMENT_STORE: 's3',
      FERMENT_S3_ENDPOINT: 'https://s3.example.org',
      FERMENT_S3_ACCESS_KEY: 'key',
      FERMENT_S3_SECRET_KEY: 'secret',
    });
    expect(queue).toEqual({ backend: 'redis', url: 'redis://redis:6380' });
    expect(store).toMatchObject({
      kind: 's3',
      endpoint: 's3.example.org',
      port: 443,
      useSSL: true,
      bucket: 'ferment',
    });
  });

  test.each([
    [{}, 'FERMENT_DATABASE_URL: expected the address of a PostgreSQL database'],
    [{ ...minimal, FERMENT_PORT: '70000' }, 'FERMENT_PORT'],
    [{ ...minimal, FERMENT_QUEUE: 'kafka' }, 'FERMENT_QUEUE'],
    [
      { ...minimal, FERMENT_STORE: 's3' },
      'FERMENT_S3_ENDPOINT, FERMENT_S3_ACCESS_KEY, FERMENT_S3_SECRET_KEY: needed',
    ],
    [{ ...minimal, FERMENT_S3_ENDPOINT: 'minio:9000' }, 'expected http(s)://host:port'],
  ])('%j is refused by name', (env, message) => {
    expect(() => readSettings(env)).toThrow(message);
  });
});
