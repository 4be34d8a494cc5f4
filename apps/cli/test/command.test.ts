import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { checkFinding, forExportFormats, type WorkerFacts, type WorkerItem } from '@ferment/contracts';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { freePort, temporaryFolder } from '../../../test/support/services.js';
import { compareTrials, describeWorker } from '../src/index.js';
import { readConnection, writeConnection } from '../src/connection.js';
import { choosePort } from '../src/up/ports.js';
import { runWith } from './support.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let server: Server | null = null;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  server?.close();
  server = null;
  await folder.remove();
});

const run = (args: string[], env: Record<string, string> = {}) =>
  runWith(args, { FERMENT_HOME: folder.path, ...env });

/** An API that gives one answer to everything. */
async function answering(status: number, body: unknown): Promise<Record<string, string>> {
  server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  const port = await freePort();
  await new Promise<void>((done) => server?.listen(port, '127.0.0.1', done));
  return { FERMENT_URL: `http://127.0.0.1:${port}`, FERMENT_TOKEN: 'secret' };
}

describe('exit codes', () => {
  it('is 0 for help', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, error: '' });
  });

  it.each([
    [['nonsense']],
    [['experiment', 'create']],
    [['checkpoint', 'download', '--best', 'luck']],
    [['up', '--port', 'x']],
  ])('is 2 for %j', async (args) => {
    expect(await run(args)).toMatchObject({ code: 2, out: '' });
  });

  it('suggests the command that was meant', async () => {
    expect((await run(['experment', 'ls'])).error).toContain('Did you mean experiment?');
  });

  it('is 2 without a running Ferment, with what to do', async () => {
    const { code, error } = await run(['experiment', 'ls']);
    expect([code, error]).toEqual([2, expect.stringContaining('Start one with "ferment up"')]);
  });

  it('is 1 when nobody answers', async () => {
    const env = { FERMENT_URL: `http://127.0.0.1:${await freePort()}`, FERMENT_TOKEN: 'secret' };
    const { code, error } = await run(['experiment', 'ls'], env);
    expect([code, error]).toEqual([1, expect.stringContaining('ECONNREFUSED')]);
  });

  it('is 2 for a refused token', async () => {
    const env = await answering(401, {
      type: 'about:blank',
      title: 'Unauthorized',
      status: 401,
      detail: 'A valid token is required.',
    });
    const { code, error } = await run(['dataset', 'ls'], env);
    expect([code, error]).toEqual([2, expect.stringContaining('A valid token is required.')]);
  });
});

describe('doctor', () => {
  it('looks at this machine and at what it can reach, and ends with 1 where something fails', async () => {
    const env = {
      FERMENT_URL: `http://127.0.0.1:${await freePort()}`,
      FERMENT_TOKEN: 'secret',
      FERMENT_DATABASE_URL: `postgresql://nobody@127.0.0.1:${await freePort()}/none`,
    };
    const { code, out, error } = await run(['doctor', '--json'], env);
    const levels = new Map(
      z
        .array(checkFinding)
        .parse(JSON.parse(out))
        .map(({ name, level }) => [name, level]),
    );
    expect(Object.fromEntries(levels)).toMatchObject({
      ...{ 'Node.js': 'ok', TensorFlow: 'ok', 'data folder': 'ok', port: 'ok' },
      ...{ API: 'failure', database: 'failure' },
    });
    expect([code, error]).toEqual([1, expect.stringContaining('Not in order: ')]);
  }, 60_000);
});

describe('a worker', () => {
  const facts: WorkerFacts = {
    versions: { ferment: '0.1.0+1a2b3c4', node: '22.1.0', tensorflow: '2.21.0' },
    platform: 'Linux 6.1 x86_64',
    cpu: 'AMD EPYC',
    threads: 8,
    memoryBytes: 2 ** 36,
    devices: [{ id: '0', name: 'NVIDIA H100', driver: '570.1', memoryBytes: 80 * 2 ** 30 }],
    startedAt: '2026-11-25T10:00:00.000Z',
    clockOffsetSeconds: -0.25,
    metrics: 'http://127.0.0.1:9464/metrics',
  };
  const worker: WorkerItem = {
    ...{ id: 'host-1234', host: 'host', pid: 7, state: 'active', slots: { cpu: 1, light: 1 } },
    memory: { total: 2 ** 36, job: 2 ** 36 },
    running: [
      {
        jobId: item('job'),
        kind: 'train',
        stage: 'teacher',
        attempt: 2,
        startedAt: null,
        progress: null,
        experiment: null,
      },
    ],
    ...{ heartbeatAt: '2026-11-25T10:01:00.000Z', heartbeatAgeSeconds: 1, facts },
  };

  it('is shown with its machine, versions, clock and jobs', () => {
    const lines = describeWorker(worker).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'for jobs    64.0 GiB of memory',
        'ferment     0.1.0+1a2b3c4',
        'cpu         AMD EPYC, 8 threads',
        'memory      64.0 GiB',
        'gpus        0 NVIDIA H100 (driver 570.1, 80.0 GiB)',
        'clock       0.250 s ahead of the database',
        `  ${item('job')}  train teacher, attempt 2`,
      ]),
    );
    expect(describeWorker({ ...worker, facts: null, running: [] })).toContain('it has told none');
  });

  it('is found by the start of its id', async () => {
    server = createServer((request, response) => {
      const one = request.url === '/api/v1/workers/host-1234';
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(one ? worker : [worker]));
    });
    const port = await freePort();
    await new Promise<void>((done) => server?.listen(port, '127.0.0.1', done));
    const env = { FERMENT_URL: `http://127.0.0.1:${port}`, FERMENT_TOKEN: 'secret' };
    const { code, out } = await run(['worker', 'show', 'host', '--json'], env);
    expect([code, JSON.parse(out)]).toEqual([0, worker]);
    const listed = await run(['worker', 'ls'], env);
    expect(listed.out).toContain('0.1.0+1a2b3c4');
    expect(await run(['worker', 'show', 'other'], env)).toMatchObject({ code: 2 });
  });
});

describe('the port', () => {
  it('that the Ferment of the folder listens on is its own, not taken', async () => {
    const port = await freePort();
    await writeConnection(folder.path, {
      url: `http://127.0.0.1:${port}`,
      token: 'secret',
      pid: process.pid,
    });
    const { out } = await run(['doctor', '--json']);
    const found = z.array(checkFinding).parse(JSON.parse(out));
    expect(found.find(({ name }) => name === 'port')).toMatchObject({
      level: 'ok',
      found: `${port} is this Ferment's own`,
    });
  }, 60_000);
});

describe('a refused spec', () => {
  it('is printed as file, line, path, what was expected and what was meant', async () => {
    const file = join(folder.path, 'spec.yaml');
    await writeFile(file, 'specVersion: 1\n');
    const problem = {
      path: 'stages.student.method.temprature',
      message: 'unknown key',
      line: 14,
      suggestion: 'temperature',
    };
    const env = await answering(422, {
      type: 'about:blank',
      title: 'Spec refused',
      status: 422,
      detail: 'refused',
      problems: [problem],
    });
    expect(await run(['experiment', 'preview', file], env)).toEqual({
      code: 2,
      out: '',
      error: 'spec.yaml:14 stages.student.method.temprature: unknown key. Did you mean "temperature"?\n',
    });
  });

  it('must be readable', async () => {
    const env = await answering(200, {});
    expect(await run(['experiment', 'create', join(folder.path, 'none.yaml')], env)).toMatchObject({
      code: 2,
    });
  });
});

describe('answers', () => {
  const item = {
    id: '3f1c1f0a-0000-4000-8000-000000000001',
    name: 'ci',
    role: 'viewer',
    createdAt: '2026-11-01T10:00:00Z',
    lastUsedAt: null,
    revokedAt: null,
  };

  it('are columns for people and JSON on request', async () => {
    const env = await answering(200, { items: [item], next: null });
    expect((await run(['token', 'ls'], env)).out).toBe(
      'id        name  role    state  last used\n3f1c1f0a  ci    viewer  valid  never used\n',
    );
    expect(JSON.parse((await run(['token', 'ls', '--json'], env)).out)).toEqual([item]);
  });

  it('in an unknown form are named, not shown', async () => {
    const env = await answering(200, { items: [{ ...item, role: 'king' }], next: null });
    const { code, error } = await run(['token', 'ls'], env);
    expect([code, error]).toEqual([1, expect.stringContaining('in a form this version does not know')]);
  });
});

describe('connection', () => {
  it('is kept where only its user can read it', async () => {
    const connection = { url: 'http://127.0.0.1:4747', token: 'secret', pid: 7 };
    await writeConnection(folder.path, connection);
    expect(await readConnection(folder.path)).toEqual(connection);
    expect((await stat(join(folder.path, 'connection.json'))).mode & 0o777).toBe(0o600);
  });
});

describe('ports', () => {
  it('refuses a taken one that was asked for, and passes over it otherwise', async () => {
    const first = await choosePort(undefined, '127.0.0.1');
    server = createServer();
    await new Promise<void>((done) => server?.listen(first, '127.0.0.1', done));
    await expect(choosePort(first, '127.0.0.1')).rejects.toThrow(`Port ${first} on 127.0.0.1 is taken`);
    expect(await choosePort(undefined, '127.0.0.1')).toBeGreaterThan(first);
  });
});

describe('comparing trials', () => {
  const figures = (accuracy: number) => ({ accuracy, macroF1: 0.5, nll: 1, ece: 0.1, images: 10 });
  const trial = (variant: string, accuracy: number) => ({
    ...{
      id: item(variant),
      experimentId: item('e'),
      variant,
      factors: {},
      seed: 0,
      fold: null,
      state: 'succeeded' as const,
      reason: null,
      stopped: null,
      cost: null,
      jobs: {},
    },
    summary: { faces: { validation: figures(accuracy), test: figures(accuracy) } },
    downloads: forExportFormats(() => null),
  });

  it('puts differences to the first beside the figures', () => {
    const trials = [trial('a', 0.5), trial('b', 0.4375)];
    const differences = [{ path: 'student.method.temperature', values: [4, null] }];
    const text = compareTrials({ trials, differences });
    expect(text).toMatch(/student\.method\.temperature +4 +-\n/);
    expect(text).toContain('faces test accuracy          0.5000  0.4375 (-0.0625)');
  });

  it('are asked for by the ids that the list prints', async () => {
    const asked: string[] = [];
    const one = { ...trial('a', 0.5), id: item('a') };
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const body = request.url?.includes('/trials/compare')
        ? { trials: [one, one], differences: [] }
        : request.url?.endsWith('/trials')
          ? [one]
          : null;
      response
        .writeHead(body === null ? 404 : 200, { 'content-type': 'application/json' })
        .end(JSON.stringify(body));
    });
    const port = await freePort();
    await new Promise<void>((done) => server?.listen(port, '127.0.0.1', done));
    const env = { FERMENT_URL: `http://127.0.0.1:${port}`, FERMENT_TOKEN: 'secret' };
    const compared = await run(['trial', 'compare', one.id, one.id], env);
    expect(compared).toMatchObject({ code: 0, out: expect.stringContaining('do not differ') });
    expect(asked).toEqual([`/api/v1/trials/compare?ids=${one.id}%2C${one.id}`]);
  });
});

function item(name: string): string {
  return `00000000-0000-4000-8000-${name.padStart(12, '0').replace(/[^0-9a-f]/g, 'e')}`;
}
