import { describe, expect, it } from '@jest/globals';
import { createConnection } from 'node:net';
import { describeWith, freePort, startMinio, startRedis, until } from './services.js';

describeWith('redis', 'a Redis for tests', () => {
  it('answers a ping and is gone after stop', async () => {
    const redis = await startRedis();
    const answer = await new Promise((done, failed) => {
      const socket = createConnection({ port: redis.port, host: '127.0.0.1' }, () =>
        socket.write('PING\r\n'),
      );
      socket.once('error', failed).once('data', (data) => {
        socket.destroy();
        done(data.toString());
      });
    });
    expect(answer).toBe('+PONG\r\n');
    await redis.stop();
    await expect(
      new Promise((done, failed) =>
        createConnection({ port: redis.port, host: '127.0.0.1' }, () => done('still there')).once(
          'error',
          failed,
        ),
      ),
    ).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describeWith('s3', 'an S3 server for tests', () => {
  it('refuses a request without a signature', async () => {
    const s3 = await startMinio();
    try {
      expect((await fetch(`${s3.endpoint}/some-bucket`)).status).toBe(403);
    } finally {
      await s3.stop();
    }
  });
});

describe('waiting', () => {
  it('gives up with what it waited for', async () => {
    await expect(until('pigs fly', () => Promise.resolve(false), 0.05)).rejects.toThrow('pigs fly');
  });
  it('finds ports that can be bound', async () => {
    expect(await freePort()).toBeGreaterThan(1023);
  });
});
