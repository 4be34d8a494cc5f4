import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  attemptLog,
  type AttemptLog,
  type ExperimentDetail,
  type JobItem,
  type LogLine,
} from '@ferment/contracts';
import { Client, jobLogs } from '@ferment/cli';
import request from 'supertest';
import { type RunningApi, startApi } from '../src/index.js';
import { claim, importFaces, type Installation, spec, startInstallation } from './support/installation.js';

let installation: Installation;
/** Another instance on the same database and store. */
let other: RunningApi;
beforeAll(async () => {
  installation = await startInstallation();
  other = await startApi(installation.settings);
  await importFaces(installation);
}, 60_000);
afterAll(async () => {
  await other.close();
  await installation.stop();
}, 30_000);

let widths = 0;
/** A training that a worker has in hand. */
async function running(): Promise<{ jobId: string; attempt: number }> {
  widths += 1;
  const text = spec
    .replace('name: grid', `name: logs-${widths}`)
    .replace('width: 0.25', `width: ${widths / 16}`);
  const experiment = (await post('experiments').send({ text }).expect(201)).body as ExperimentDetail;
  const jobs = (await get(`experiments/${experiment.id}/jobs`).expect(200)).body as JobItem[];
  return claim(installation, jobs.find(({ kind }) => kind === 'train')?.id ?? '');
}
const headers = () => ({ Authorization: `Bearer ${installation.secrets.researcher}` });
const post = (path: string) => request(installation.api.url).post(`/api/v1/${path}`).set(headers());
const get = (path: string, at: RunningApi = installation.api) =>
  request(at.url).get(`/api/v1/${path}`).set(headers());

const line = (number: number, text = `line ${number}`): LogLine => ({
  ...{ line: number, time: 1_790_000_000_000 + number, source: 'stdout' },
  text,
});
const lines = (from: number, to: number): LogLine[] =>
  Array.from({ length: to - from + 1 }, (_, index) => line(from + index));
const append = ({ jobId, attempt }: { jobId: string; attempt: number }, told: readonly LogLine[]) =>
  installation.attempts.appendLog(jobId, attempt, { lines: told });
const close = ({ jobId, attempt }: { jobId: string; attempt: number }) =>
  installation.attempts.appendLog(jobId, attempt, { lines: [], closed: true });

async function log(
  { jobId, attempt }: { jobId: string; attempt: number },
  query = '',
  at?: RunningApi,
): Promise<AttemptLog> {
  const answer = await get(`jobs/${jobId}/attempts/${attempt}/logs?${query}`, at).expect(200);
  return attemptLog.parse(answer.body);
}
const numbers = (of: AttemptLog): number[] => of.lines.map((item) => item.line);

describe('the log of an attempt', () => {
  it('is read in pages of either instance, by its end, and by time', async () => {
    const of = await running();
    for (let from = 1; from <= 12_000; from += 500) await append(of, lines(from, from + 499));
    const read: number[] = [];
    let cursor = 0;
    for (const at of [installation.api, other, installation.api]) {
      const page = await log(of, `cursor=${cursor}&limit=5000`, at);
      expect(page).toMatchObject({ jobId: of.jobId, attempt: of.attempt, ended: false });
      expect(page.more).toBe(at !== installation.api || cursor === 0);
      read.push(...numbers(page));
      cursor = page.cursor;
    }
    expect(read).toEqual(lines(1, 12_000).map((item) => item.line));
    expect(await log(of, `cursor=${cursor}`)).toMatchObject({ lines: [], cursor: 12_000, more: false });
    expect(numbers(await log(of, 'tail=3'))).toEqual([11_998, 11_999, 12_000]);
    expect((await log(of, 'tail=0')).cursor).toBe(12_000);
    const since = new Date(line(11_999).time).toISOString();
    expect(numbers(await log(of, `since=${since}`))).toEqual([11_999, 12_000]);
  });

  it('is text where that is asked for', async () => {
    const of = await running();
    await append(of, [
      line(1, 'Überraschung <b>'),
      { ...line(2, 'two'), source: 'log', level: 'warn', fields: { step: 3, name: 'x' } },
    ]);
    const answer = await get(`jobs/${of.jobId}/attempts/1/logs?format=text`).expect(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'x-ferment-cursor': '2',
    });
    expect(answer.text).toBe(
      '2026-09-21T14:13:20.001Z stdout Überraschung <b>\n2026-09-21T14:13:20.002Z warn   two step=3 name=x\n',
    );
  });

  it('is not there where there is no such attempt, nor for what is no number', async () => {
    const { jobId } = await running();
    expect((await log({ jobId, attempt: 1 })).lines).toEqual([]);
    await get(`jobs/${jobId}/attempts/2/logs`).expect(404);
    await get(`jobs/6f9619ff-8b86-4011-b42d-00c04fc964ff/attempts/1/logs`).expect(404);
    await get(`jobs/${jobId}/attempts/0/logs`).expect(422);
    await get(`jobs/${jobId}/attempts/1/logs?limit=0`).expect(422);
    await get(`jobs/${jobId}/attempts/1/logs?since=yesterday`).expect(422);
  });
});

describe('a log that is followed', () => {
  /** Follows over both instances, a question to the one and the next to the other. */
  function followed(jobId: string, options: { attempt?: number; tail?: number } = {}) {
    const clients = [installation.api, other].map(({ url }) => new Client(url, installation.secrets.viewer));
    const [first, second] = clients;
    if (!first || !second) throw new Error('two instances');
    let asked = 0;
    const turn: Pick<Client, 'job' | 'attemptLog'> = {
      job: (...of) => (asked++ % 2 === 0 ? first : second).job(...of),
      attemptLog: (...of) => (asked++ % 2 === 0 ? first : second).attemptLog(...of),
    };
    const { signal } = new AbortController();
    return jobLogs(turn, jobId, { ...options, follow: true, signal, pauseMilliseconds: 20 });
  }

  it('goes on over later attempts until its job has ended, and neither misses nor repeats a line', async () => {
    const of = await running();
    await append(of, lines(1, 10));
    const log = followed(of.jobId, { tail: 2 });
    const next = async () => {
      const answer = await log.next();
      return answer.done === true ? 'end' : `${answer.value.attempt}: ${answer.value.text}`;
    };
    expect([await next(), await next()]).toEqual(['1: line 9', '1: line 10']);
    // Written while the reader waits for it.
    const waited = next();
    await append(of, lines(11, 11));
    expect(await waited).toBe('1: line 11');
    await append(of, lines(12, 600));
    for (let number = 12; number <= 600; number++) expect(await next()).toBe(`1: line ${number}`);
    const failure = { failureClass: 'transient', reason: 'the network' } as const;
    await installation.attempts.fail(of.jobId, of.attempt, failure);
    installation.running.delete(of.jobId);
    // The last line of an attempt comes after its end.
    const last = next();
    await append(of, [line(601, 'failed')]);
    expect(await last).toBe('1: failed');
    await close(of);
    const later = next();
    await installation.database.pool.query('UPDATE job SET not_before = NULL WHERE id = $1', [of.jobId]);
    const second = await claim(installation, of.jobId);
    expect(second.attempt).toBe(2);
    await append(second, lines(1, 3));
    expect([await later, await next(), await next()]).toEqual(['2: line 1', '2: line 2', '2: line 3']);
    await installation.attempts.fail(of.jobId, 2, { failureClass: 'user', reason: 'bad data' });
    installation.running.delete(of.jobId);
    await close(second);
    expect(await next()).toBe('end');
  });

  it('of one attempt ends with it', async () => {
    const of = await running();
    await append(of, lines(1, 2));
    await installation.attempts.fail(of.jobId, 1, { failureClass: 'transient', reason: 'the network' });
    installation.running.delete(of.jobId);
    await close(of);
    const seen = [];
    for await (const { text } of followed(of.jobId, { attempt: 1 })) seen.push(text);
    expect(seen).toEqual(['line 1', 'line 2']);
  });
});
