import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:net';
import { samplesOf } from '../../../test/support/prometheus.js';
import { freePort, until } from '../../../test/support/services.js';
import { serveFigures, WorkerFigures, type FiguresServer } from '../src/figures.js';
import { readWorkerSettings } from '../src/settings.js';
import type { Log } from '../src/truth.js';
import { startRig, type Rig } from './rig.js';
import { claimOf, facesCsv, importParams, trainParams } from './support.js';

let rig: Rig;
let figures: WorkerFigures;
let server: FiguresServer;
/** What the worker's log says: fields of the line and of the logs that it is a child of. */
let lines: { level: string; message: string; fields: Record<string, unknown> }[];

function recording(bound: object = {}): Log {
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...bound, ...fields } });
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => recording({ ...bound, ...fields }),
  };
}

beforeEach(async () => {
  lines = [];
  figures = new WorkerFigures({ worker: 'test', host: 'here', version: '0.1.0' });
  rig = await startRig({ tally: figures, log: recording() });
  const looked = {
    slots: () => rig.runner.slots,
    memory: () => rig.runner.memory,
    runs: () => rig.runner.leases.runs,
    cache: () => rig.cache.usage(),
    childrenStarted: () => rig.pool.started,
  };
  server = await serveFigures({ host: '127.0.0.1', port: 0 }, () => figures.text(looked));
});
afterEach(async () => {
  await server.close();
  await rig.close();
});

async function samples(): Promise<Map<string, number>> {
  const answer = await fetch(server.url);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return samplesOf(await answer.text());
}

const ended = (kind: string, outcome: string, failureClass = 'none') =>
  `ferment_worker_attempts_total{kind="${kind}",outcome="${outcome}",failure_class="${failureClass}"}`;

describe("a worker's figures", () => {
  it('count what ended and how, what runs and how fast, what was repeated and what died', async () => {
    const before = await samples();
    expect(before.get('ferment_worker_info{worker="test",host="here",version="0.1.0"}')).toBe(1);
    expect(before.get('ferment_worker_slots{resource="cpu"}')).toBe(2);
    expect(before.get('ferment_worker_running')).toBe(0);
    expect(before.get('process_resident_memory_bytes')).toBeGreaterThan(2 ** 20);

    // The store does not take the first file that it is given.
    const { put } = rig.store;
    let refused = 0;
    rig.store.put = (content) => {
      if (refused > 0) return put.call(rig.store, content);
      refused += 1;
      return Promise.reject(new Error('the store is away'));
    };
    const source = rig.store.add(facesCsv(120));
    await rig.deliver(claimOf('import', importParams(source.hash)));
    const version = (rig.truth.ends.at(-1)?.detail as { result: { version: string } }).result.version;
    await rig.deliver(claimOf('import', importParams('0'.repeat(64))));

    const params = trainParams(version, 40);
    const claim = claimOf('train', params, { experimentIds: ['e-1', 'e-2'] });
    const training = rig.deliver(claim);
    const job = `job="${claim.jobId}",kind="train"`;
    await until('its speed is known', async () => {
      const now = await samples();
      return (now.get(`ferment_worker_job_rate{${job},unit="steps"}`) ?? 0) > 0;
    });
    await until('an epoch is reported', () =>
      Promise.resolve(lines.some(({ message }) => message.startsWith('epoch '))),
    );
    const during = await samples();
    expect(during.get(`ferment_worker_images_per_second{${job}}`)).toBeGreaterThan(0);
    expect(during.get('ferment_worker_running')).toBe(1);
    expect(during.get('ferment_worker_slots_taken{resource="cpu"}')).toBe(1);
    const started = lines.find(
      ({ message, fields }) => message === 'attempt started' && fields['kind'] === 'train',
    );
    process.kill(started?.fields['child'] as number, 'SIGKILL');
    await training;

    const after = await samples();
    expect(after.get(ended('import', 'succeeded'))).toBe(1);
    expect([...after].filter(([name]) => name.includes('kind="import",outcome="failed"'))).toEqual([
      [ended('import', 'failed', 'transient'), 1],
    ]);
    expect(after.get(ended('train', 'failed', 'lost'))).toBe(1);
    expect(after.get('ferment_worker_upload_retries_total')).toBe(1);
    expect(after.get('ferment_worker_child_deaths_total')).toBe(1);
    expect(after.get('ferment_worker_child_starts_total')).toBe(1);
    expect(after.get('ferment_worker_running')).toBe(0);
    expect(after.get('ferment_worker_cache_bytes')).toBeGreaterThan(0);
    expect(after.get('ferment_worker_cache_misses_total')).toBeGreaterThan(0);
    expect([...after.keys()].filter((name) => name.includes(claim.jobId))).toEqual([]);

    // Every line about the attempt names it, and what the child wrote is among them.
    const about = lines.filter(({ fields }) => fields['jobId'] === claim.jobId);
    expect(about.map(({ message }) => message)).toEqual(
      expect.arrayContaining(['attempt started', 'child process gone', expect.stringMatching(/^epoch /)]),
    );
    for (const { fields } of about)
      expect(fields).toMatchObject({ attempt: 1, kind: 'train', experimentIds: ['e-1', 'e-2'] });
  }, 60_000);

  it('are served at one address alone, and a heartbeat that fails is counted', async () => {
    expect((await fetch(new URL('/other', server.url))).status).toBe(404);
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(404);
    rig.truth.heartbeat = () => Promise.reject(new Error('no database'));
    await until('a heartbeat has failed', async () => {
      return ((await samples()).get('ferment_worker_heartbeat_failures_total') ?? 0) > 0;
    });
  });

  it('say which setting is wrong where the address is taken', async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((ready) => other.listen(port, '127.0.0.1', ready));
    const serving = serveFigures({ host: '127.0.0.1', port }, () => Promise.resolve(''));
    await expect(serving).rejects.toThrow(/^FERMENT_WORKER_METRICS: .*EADDRINUSE/);
    await new Promise((closed) => other.close(closed));
  });
});

describe('FERMENT_WORKER_METRICS', () => {
  const read = (text: string) =>
    readWorkerSettings({
      FERMENT_DATABASE_URL: 'postgresql://ferment@127.0.0.1:5432/ferment',
      FERMENT_WORKER_METRICS: text,
    }).metrics;

  it.each([
    ['', null],
    ['9464', { host: '127.0.0.1', port: 9464 }],
    ['0', { host: '127.0.0.1', port: 0 }],
    ['[::1]:9464', { host: '::1', port: 9464 }],
    ['10.0.0.7:9464', { host: '10.0.0.7', port: 9464 }],
  ])('%j is %j', (text, address) => {
    expect(read(text)).toEqual(address);
  });

  it.each(['on', '70000', '127.0.0.1:', 'http://127.0.0.1:9464'])('%j is refused', (text) => {
    expect(() => read(text)).toThrow(
      /expected a port of this machine's loopback.*\n.*FERMENT_WORKER_METRICS/,
    );
  });
});
