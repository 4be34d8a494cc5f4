import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { AttemptLog, JobItem, LogLine } from '@ferment/contracts';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Client, jobLogs, type LogsOptions } from '../src/index.js';
import { runWith } from './support.js';

const id = '6e3c5c3e-5a0e-4a63-9d77-6d2f6d1c6f01';

/** An API with one job: what its attempts have written, answered in pages of two lines. */
class Fake {
  state: JobItem['state'] = 'running';
  readonly attempts: { lines: LogLine[]; ended: boolean }[] = [];
  readonly asked: string[] = [];
  /** What happens to the next questions instead of an answer. */
  readonly troubles: ((response: ServerResponse) => void)[] = [];
  private readonly server: Server = createServer(({ url = '' }, response) => {
    this.asked.push(url.replace(`/api/v1/jobs/${id}`, ''));
    const trouble = this.troubles.shift();
    if (trouble) return trouble(response);
    const body = url.includes('/logs') ? this.log(new URL(url, this.url)) : this.job();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });

  async listen(): Promise<void> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
  }
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
  write(attempt: number, ...texts: string[]): void {
    const of = (this.attempts[attempt - 1] ??= { lines: [], ended: false });
    for (const text of texts)
      of.lines.push({ line: of.lines.length + 1, time: 1_790_000_000_000, source: 'stdout', text });
  }

  private log(url: URL): AttemptLog {
    const attempt = Number(url.pathname.split('/').at(-2));
    const { lines, ended } = this.attempts[attempt - 1] ?? { lines: [], ended: false };
    const from = url.searchParams.has('tail')
      ? Math.max(0, lines.length - Number(url.searchParams.get('tail')))
      : Number(url.searchParams.get('cursor') ?? 0);
    const page = lines.slice(from, from + 2);
    const more = lines.length > from + 2;
    return { jobId: id, attempt, lines: page, cursor: from + page.length, more, ended: ended && !more };
  }

  private job(): JobItem {
    const time = '2026-01-01T00:00:00.000Z';
    return {
      ...{ id, key: 'a'.repeat(64), kind: 'train', stage: 'student', state: this.state, pausing: false },
      ...{ cached: false, reason: null, failureClass: null, params: {}, inputs: [], outputs: {} },
      ...{
        result: null,
        progress: null,
        macs: null,
        summaries: {},
        createdAt: time,
        startedAt: time,
        endedAt: null,
      },
      attempts: this.attempts.map((_, index) => ({
        ...{ number: index + 1, state: 'running', worker: null, startedAt: time, endedAt: null },
        ...{ failureClass: null, reason: null, details: null, resumedFromStep: null },
      })),
    };
  }
}

let api: Fake;
beforeEach(async () => {
  api = new Fake();
  await api.listen();
});
afterEach(() => api.close());

const command = (...args: string[]) =>
  runWith(['job', 'logs', id, ...args], { FERMENT_URL: api.url, FERMENT_TOKEN: 'secret' });
function logs(options: Partial<LogsOptions> = {}) {
  const { signal } = new AbortController();
  const client = new Client(api.url, 'secret');
  return jobLogs(client, id, { follow: true, signal, pauseMilliseconds: 5, ...options });
}
const time = '2026-09-21T14:13:20.000Z';

describe('ferment job logs', () => {
  it('prints the newest attempt’s log, whole, however many pages it has', async () => {
    api.write(1, 'first \u001b[31mattempt');
    api.write(2, 'a', 'b', 'c', 'd', 'e');
    const { code, out, error } = await command();
    expect([code, error]).toEqual([0, '']);
    expect(out).toBe(['a', 'b', 'c', 'd', 'e'].map((text) => `${time} stdout ${text}\n`).join(''));
    expect((await command('--attempt', '1')).out).toBe(`${time} stdout first \ufffd[31mattempt\n`);
    expect((await command('--tail', '2')).out).toBe(`${time} stdout d\n${time} stdout e\n`);
  });

  it('prints one JSON value a line where that is asked for', async () => {
    api.write(1, 'a', 'b');
    const { out } = await command('--json');
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(
      ['a', 'b'].map((text, at) => expect.objectContaining({ line: at + 1, attempt: 1, text }) as unknown),
    );
  });

  it('says what is wrong with what was asked, and that there is nothing', async () => {
    expect(await command()).toEqual({ code: 0, out: '', error: 'It has written nothing.\n' });
    expect(await command('--attempt', '1')).toMatchObject({
      code: 2,
      error: `Job ${id} has had no attempt yet: it is running.\n`,
    });
    api.write(1, 'a');
    expect((await command('--attempt', '3')).error).toBe(`Job ${id} has no attempt 3. There are: 1.\n`);
    for (const wrong of [
      ['--tail', 'all'],
      ['--attempt', '-1'],
      ['--tail', '1.5'],
    ])
      expect(await command(...wrong)).toMatchObject({ code: 2, out: '' });
  });
});

describe('followed', () => {
  it('a log goes on after the last line that came while the API restarts', async () => {
    api.write(1, 'a', 'b', 'c');
    const seen: string[] = [];
    const troubles: ((response: ServerResponse) => void)[] = [
      (response) => response.destroy(),
      (response) => response.writeHead(503).end(),
      // An answer that is cut in the middle.
      (response) =>
        response.writeHead(200, { 'content-length': '1000' }).write('{', () => response.destroy()),
    ];
    for await (const { text } of logs()) {
      seen.push(text);
      if (text === 'b') api.troubles.push(...troubles);
      if (text === 'c') {
        api.write(1, 'd');
        Object.assign(api.attempts[0] ?? {}, { ended: true });
        api.state = 'succeeded';
      }
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd']);
    expect(api.asked.filter((path) => path.endsWith('cursor=2'))).toHaveLength(troubles.length + 1);
  });

  it('a job is waited for until it has an attempt', async () => {
    const log = logs();
    const first = log.next();
    while (api.asked.length < 3) await new Promise(setImmediate);
    api.write(1, 'begun');
    expect((await first).value).toMatchObject({ attempt: 1, text: 'begun' });
    await log.return(undefined);
  });

  it('a refusal ends it', async () => {
    api.troubles.push((response) => response.writeHead(403).end());
    await expect(logs().next()).rejects.toMatchObject({ status: 403 });
  });

  it('it stops when it is told to, in the middle of a pause', async () => {
    api.write(1, 'a');
    const stop = new AbortController();
    const seen = [];
    for await (const { text } of logs({ signal: stop.signal, pauseMilliseconds: 1_000_000 })) {
      seen.push(text);
      setTimeout(() => stop.abort(), 10);
    }
    expect(seen).toEqual(['a']);
  });
});
