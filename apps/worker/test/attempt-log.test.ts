import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { LogLine } from '@ferment/contracts';
import {
  AttemptLogs,
  Attempts,
  Compactor,
  connectDatabase,
  folderStore,
  migrate,
  startEmbeddedPostgres,
  ArtifactCorrupt,
  ArtifactMissing,
  type ArtifactStore,
  type Database,
} from '@ferment/platform';
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder, until } from '../../../test/support/services.js';
import { ArtifactCache } from '../src/artifact-cache.js';
import { AttemptLog } from '../src/attempt-log.js';
import { AttemptRun } from '../src/attempt-run.js';
import { ChildPool } from '../src/children/pool.js';
import { endOfRun, OutputLines } from '../src/children/output-lines.js';
import { redactor, secretsOf } from '../src/redact.js';
import { claimOf, MemoryStore, silent } from './support.js';

// A server starts on a machine that other suites keep busy.
jest.setTimeout(60_000);

let folder: string;
let database: Database;
let attempts: Attempts;
let store: ArtifactStore;
let logs: AttemptLogs;
const stops: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  const temporary = await temporaryFolder();
  stops.push(() => temporary.remove());
  folder = temporary.path;
  const quiet = { info: () => undefined, warn: () => undefined };
  const postgres = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), log: quiet });
  stops.push(() => postgres.stop());
  await migrate(postgres.url);
  database = await connectDatabase(postgres.url);
  stops.push(() => database.close());
  attempts = new Attempts(database);
  store = folderStore(join(folder, 'artifacts'));
  logs = new AttemptLogs(database, store);
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
});

/** A running attempt of a job that nobody else works on. */
async function attempt(state = 'running'): Promise<{ jobId: string; attempt: number }> {
  const { rows } = await database.pool.query<{ id: string }>(
    `INSERT INTO job (key, kind, params, resource, threads, state, attempt)
     VALUES ($1, 'train', '{}', 'cpu', 1, $2, 1) RETURNING id`,
    [randomUUID(), state],
  );
  const jobId = rows[0]?.id ?? '';
  await database.pool.query(
    `INSERT INTO attempt (job_id, number, lease_until, state) VALUES ($1, 1, now() + interval '1 hour', $2)`,
    [jobId, state],
  );
  return { jobId, attempt: 1 };
}
const ended = ({ jobId }: { jobId: string }, state = 'succeeded', ago = '0 s') =>
  database.pool.query(
    `UPDATE attempt SET state = $2, ended_at = clock_timestamp() - $3::interval WHERE job_id = $1`,
    [jobId, state, ago],
  );
const all = { cursor: 0, limit: 10_000 };
const read = async (
  of: { jobId: string; attempt: number },
  part: Partial<Parameters<AttemptLogs['read']>[2]> = {},
) => {
  const found = await logs.read(of.jobId, of.attempt, { ...all, ...part });
  if (!found) throw new Error('no such attempt');
  return found;
};
const texts = (lines: readonly LogLine[]): string[] => lines.map(({ text }) => text);

describe('lines of an output', () => {
  let seen: string[];
  let lines: OutputLines;
  beforeEach(() => {
    seen = [];
    lines = new OutputLines(
      { line: (text) => seen.push(text), endOfRun: () => seen.push('<end>') },
      redactor(['hunter2-secret']),
    );
  });

  it('are the same however the bytes are cut', () => {
    const text = `première\nzwei\r\n10 %\r20 %\r30 %\n\nlast${endOfRun}\n${endOfRun}\nnext 😀 run`;
    const expected = ['première', 'zwei', '10 %', '20 %', '30 %', 'last', '<end>', '<end>', 'next 😀 run'];
    const bytes = Buffer.from(text);
    for (const size of [1, 2, 3, 7, 1000]) {
      seen = [];
      const cut = new OutputLines(
        { line: (line) => seen.push(line), endOfRun: () => seen.push('<end>') },
        String,
      );
      for (let at = 0; at < bytes.length; at += size) cut.take(bytes.subarray(at, at + size));
      cut.end();
      expect(seen).toEqual(expected);
    }
  });

  it('that are too long are cut, and say by how much', () => {
    lines.take(Buffer.from('a'.repeat(100_000)));
    lines.take(Buffer.from(`${'b'.repeat(100)}\nshort\n`));
    expect(seen).toEqual([`${'a'.repeat(8192)}… (${100_100 - 8192} more characters)`, 'short']);
  });

  it('have no secret in them, not even half of one where they are cut', () => {
    lines.take(Buffer.from('password=hunter2-sec'));
    lines.take(Buffer.from(`ret\n${'x'.repeat(8185)}hunter2-secret and more\n`));
    expect(seen[0]).toBe('password=[secret]');
    expect(seen[1]).not.toContain('hunter');
    // Many that are taken out make the line shorter than what was kept of it.
    lines.take(Buffer.from(`${'hunter2-secret'.repeat(700)}\n`));
    expect(seen[2]).not.toContain('hunter');
  });
});

it('secrets are those of the settings, in either spelling, and what looks like one', () => {
  const clean = redactor(
    secretsOf({
      databaseUrl: 'postgres://ferment:p%40ss%3Aword@db/ferment',
      queue: { backend: 'redis', url: 'redis://:redispassword@cache:6379' },
      store: {
        kind: 's3',
        endpoint: 'x',
        port: 1,
        useSSL: false,
        accessKey: 'ACCESSKEY',
        secretKey: 'a+b/c(d',
        bucket: 'b',
      },
    }),
  );
  for (const [text, kept] of [
    ['p%40ss%3Aword and p@ss:word', '[secret] and [secret]'],
    ['redispassword ACCESSKEY a+b/c(d', '[secret] [secret] [secret]'],
    ['connect postgres://other:anything@host/db', 'connect postgres://[secret]@host/db'],
    [`token ferment_${'A1b-'.repeat(11)}`, 'token [secret]'],
    ['Authorization: Bearer abcdefghijkl', 'Authorization: Bearer [secret]'],
    ['epoch 3: loss 0.41 at https://example.org/a@b', 'epoch 3: loss 0.41 at https://example.org/a@b'],
  ])
    expect(clean(text ?? '')).toBe(kept);
});

describe('a log', () => {
  const limits = { head: 2000, tail: 3000, waiting: 1500, chunk: 500 };
  const open = (of: { jobId: string; attempt: number }, more: object = {}) =>
    new AttemptLog({ ...of, truth: attempts, log: silent, ...more });

  it('is read while it grows, goes on after a cursor, and says when it is whole', async () => {
    const of = await attempt();
    const log = open(of);
    expect(await read(of)).toMatchObject({ lines: [], ended: false, cursor: 0 });
    log.tell({ source: 'stdout', text: 'one' });
    log.tell({ source: 'log', level: 'warn', text: 'two', fields: { a: 1 }, time: 5 });
    await until('the lines are there', async () => (await read(of)).lines.length === 2);
    const first = await read(of);
    expect(first).toMatchObject({ cursor: 2, ended: false, more: false });
    expect(first.lines[1]).toEqual({
      ...{ line: 2, source: 'log', level: 'warn' },
      text: 'two',
      fields: { a: 1 },
      time: 5,
    });
    log.remark('three');
    await ended(of);
    // The attempt is over, but its worker has not said so of its log.
    expect((await read(of, { cursor: 2 })).ended).toBe(false);
    await log.close();
    expect(await read(of, { cursor: 2 })).toMatchObject({ lines: [{ line: 3, text: 'three' }], ended: true });
    expect(texts((await read(of, { tail: 2 })).lines)).toEqual(['two', 'three']);
    expect(texts((await read(of, { since: 6 })).lines)).toEqual(['one', 'three']);
    const page = await read(of, { limit: 2 });
    expect(page).toMatchObject({ cursor: 2, more: true, ended: false });
    expect(await logs.read(of.jobId, 2, all)).toBeNull();
  });

  it('of which nobody says that it is whole is so a while after its attempt', async () => {
    const of = await attempt();
    open(of).tell({ source: 'stdout', text: 'then its worker was killed' });
    await until('the line is there', async () => (await read(of)).lines.length === 1);
    await ended(of, 'lost', '5 s');
    expect((await read(of)).ended).toBe(false);
    await ended(of, 'lost', '1 min');
    expect((await read(of)).ended).toBe(true);
  });

  it('that is long keeps its beginning and its end, and says what is missing', async () => {
    const of = await attempt();
    const log = open(of, { limits, pauseMilliseconds: 5 });
    for (let line = 1; line <= 300; line++) {
      log.tell({ source: 'stdout', text: `line ${line} ${'.'.repeat(20)}` });
      // Written as it comes: nothing is left out for want of time.
      if (line % 10 === 0) await until('it is written', async () => (await read(of)).cursor === line);
    }
    await log.close();
    const { lines } = await read(of);
    const numbers = lines.filter(({ source }) => source === 'stdout').map(({ line }) => line);
    const gap = lines.find(({ source }) => source === 'worker');
    expect(numbers.slice(0, 3)).toEqual([1, 2, 3]);
    expect(numbers.at(-1)).toBe(300);
    expect(gap?.text).toMatch(/^… \d+ lines are left out/);
    expect(Number(/\d+/.exec(gap?.text ?? '')?.[0])).toBe(300 - numbers.length);
    const { rows } = await database.pool.query<{ bytes: number }>(
      'SELECT sum(octet_length(lines::text))::int AS bytes FROM log_chunk WHERE job_id = $1',
      [of.jobId],
    );
    expect(rows[0]?.bytes).toBeLessThan(2 * (limits.head + limits.tail + limits.chunk));
    // A reader that was in the middle when it was left out is told how much it misses.
    const middle = await read(of, { cursor: 100 });
    expect(middle.lines[0]?.text).toBe(
      `… ${(middle.lines[1]?.line ?? 0) - 101} lines are left out: of a long log only its beginning and its end are kept`,
    );
  });

  it('takes a line of an attempt that was cut off, and none of it gets into the next one’s', async () => {
    const of = await attempt();
    const [first, next] = [open(of), open({ ...of, attempt: 2 })];
    first.tell({ source: 'stdout', text: 'before' });
    await until('the line is there', async () => (await read(of)).lines.length === 1);
    await ended(of, 'lost');
    await database.pool.query(
      `INSERT INTO attempt (job_id, number, lease_until) VALUES ($1, 2, now() + interval '1 hour')`,
      [of.jobId],
    );
    next.tell({ source: 'stdout', text: 'of the next' });
    first.tell({ source: 'stdout', text: 'still there' });
    await Promise.all([first.close(), next.close()]);
    expect(texts((await read(of)).lines)).toEqual(['before', 'still there']);
    expect(texts((await read({ ...of, attempt: 2 })).lines)).toEqual(['of the next']);
    // An attempt that there is not has no log.
    expect(await attempts.appendLog(of.jobId, 3, { lines: [], closed: true })).toBe(false);
  });

  it('has what is reported without secrets, and no line of it is longer than others', async () => {
    const of = await attempt();
    const log = open(of, { cleaned: redactor(['hunter2-secret']) });
    log.remark('failed with hunter2-secret', 'error');
    log.tell({
      ...{ source: 'log', level: 'info', text: 'x'.repeat(9000) },
      fields: { deep: { list: ['a hunter2-secret', 1, null] } },
    });
    log.tell({ source: 'log', level: 'info', text: 'facts', fields: { many: 'y'.repeat(10_000) } });
    await log.close();
    const [failed, long, many] = (await read(of)).lines;
    expect(failed?.text).toBe('failed with [secret]');
    expect(long?.text).toBe(`${'x'.repeat(8192)}… (808 more characters)`);
    expect(long?.fields).toEqual({ deep: { list: ['a [secret]', 1, null] } });
    expect(many).toMatchObject({ text: 'facts (and facts of 10011 bytes)' });
    expect(many).not.toHaveProperty('fields');
  });

  it('that the database keeps waiting holds the end of its attempt up for seconds only', async () => {
    const of = await attempt();
    const log = open(of, { truth: { appendLog: () => new Promise(() => undefined) } });
    log.tell({ source: 'stdout', text: 'nobody takes it' });
    const started = performance.now();
    await log.close();
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('waits for nobody: of a flood it keeps what fits, and the last lines', async () => {
    const of = await attempt();
    const log = open(of, { limits });
    for (let line = 1; line <= 50_000; line++) log.tell({ source: 'stderr', text: `flood ${line}` });
    await log.close();
    const { lines, ended: whole } = await read(of);
    expect(whole).toBe(false);
    expect(lines.length).toBeLessThan(120);
    expect(texts(lines).slice(0, 2)).toEqual(['flood 1', 'flood 2']);
    expect(texts(lines).at(-1)).toBe('flood 50000');
  });

  it('loses and repeats nothing while the database does not answer, and holds nothing up', async () => {
    const of = await attempt();
    let calls = 0;
    const truth: Pick<Attempts, 'appendLog'> = {
      appendLog: async (...told) => {
        calls += 1;
        const done = await attempts.appendLog(...told);
        // Two of three answers are lost on their way, after the database has taken the lines.
        if (calls % 3 !== 0) throw new Error('Connection terminated');
        return done;
      },
    };
    const log = open(of, { truth });
    for (let line = 1; line <= 6; line++) log.tell({ source: 'stdout', text: `${line}` });
    await until('they are there', async () => (await read(of)).lines.length === 6);
    log.tell({ source: 'stdout', text: '7' });
    await log.close();
    expect(texts((await read(of)).lines)).toEqual(['1', '2', '3', '4', '5', '6', '7']);
  });

  it('of an attempt that was over at once, with nothing to say, is not kept', async () => {
    const of = await attempt();
    const log = open(of);
    log.remark('attempt 1');
    log.remark('computed');
    await log.close();
    await ended(of, 'succeeded', '1 min');
    expect(await read(of)).toMatchObject({ lines: [], ended: true });
    const failed = open(of);
    failed.remark('attempt 1');
    failed.remark('failed: bad', 'error');
    await failed.close();
    expect(texts((await read(of)).lines)).toEqual(['attempt 1', 'failed: bad']);
  });

  it('becomes a file some time after the end, and reads as before', async () => {
    const [whole, late, running] = [await attempt(), await attempt(), await attempt()];
    for (const each of [whole, late, running]) {
      const log = open(each, { limits });
      for (let line = 1; line <= 200; line++) log.tell({ source: 'stdout', text: `line ${line} äöü` });
      if (each === whole) await log.close();
      else await until('they are there', async () => (await read(each)).cursor === 200);
    }
    await ended(whole, 'failed', '1 min');
    await ended(late, 'lost', '1 min');
    const before = await read(whole);
    const compactor = new Compactor(database, { store, pollMilliseconds: 50, succeededSeconds: 10 });
    compactor.start();
    const left = async (of: { jobId: string }) =>
      (await database.pool.query('SELECT FROM log_chunk WHERE job_id = $1', [of.jobId])).rowCount ?? 0;
    await until('it is a file', async () => (await left(whole)) === 0);
    await compactor.stop();
    expect(await read(whole)).toEqual(before);
    expect(await read(whole, { cursor: 199 })).toMatchObject({ lines: [{ line: 200 }], ended: true });
    const { rows } = await database.pool.query<{ hash: string }>(
      'SELECT hash FROM attempt_log WHERE job_id = $1',
      [whole.jobId],
    );
    const hash = rows[0]?.hash ?? '';
    // No further line is taken; the worker of the lost one may still come back and add its last.
    const line = { line: 201, time: 1, source: 'worker' as const, text: 'given up' };
    expect(await attempts.appendLog(whole.jobId, 1, { lines: [line] })).toBe(false);
    expect(await attempts.appendLog(late.jobId, 1, { lines: [line] })).toBe(true);
    expect((await read(late)).lines.at(-1)).toEqual(line);
    expect(await Promise.all([late, running].map(left))).toEqual([expect.any(Number), expect.any(Number)]);
    expect(await left(late)).toBeGreaterThan(0);
    expect(await left(running)).toBeGreaterThan(0);
    // Bytes that are not those that were stored are put aside, and not read as a log.
    const file = join(folder, 'artifacts', 'sha256', hash.slice(0, 2), hash.slice(2));
    await chmod(file, 0o600);
    await writeFile(file, 'something else');
    await expect(read(whole)).rejects.toThrow(ArtifactCorrupt);
    await expect(read(whole)).rejects.toThrow(ArtifactMissing);
    const aside = [];
    for await (const { reason } of store.quarantined(hash)) aside.push(reason);
    expect(aside).toEqual([expect.stringMatching(/^reading a log: /)]);
  });
});

describe('what a child writes', () => {
  const cleaned = redactor(['hunter2-secret']);
  let pool: ChildPool;
  beforeEach(() => {
    pool = new ChildPool({
      module: fileURLToPath(new URL('fixtures/printing-child.mjs', import.meta.url)),
      environment: process.env,
      idle: 1,
      cleaned,
    });
  });
  afterEach(() => pool.close());

  /** Runs one attempt in a child, its log going to the real database. */
  async function run(params: object) {
    const of = await attempt();
    const bytes = new MemoryStore();
    await mkdir(join(folder, 'cache'), { recursive: true });
    const claim = claimOf('train', params, of);
    const work = new AttemptRun(claim, performance.now(), {
      truth: attempts,
      store: bytes,
      cache: new ArtifactCache(join(folder, 'cache'), 1e9, bytes),
      folder: join(folder, 'work'),
      workerId: 'worker',
      cleaned,
      log: silent,
    });
    const child = await pool.take(1);
    const started = performance.now();
    await work.execute(child);
    await pool.give(child);
    return { of, milliseconds: performance.now() - started, pid: child.pid };
  }
  const linesOf = async (of: { jobId: string; attempt: number }, source: string): Promise<string[]> =>
    texts((await read(of)).lines.filter((line) => line.source === source));

  it('is in its attempt’s log, that of the next run in the next one’s', async () => {
    const first = await run({ lines: 2000, text: 'first hunter2-secret', end: 'done' });
    const second = await run({ lines: 4, text: 'second', end: 'failed' });
    expect(second.pid).toBe(first.pid);
    const odd = Array.from({ length: 1000 }, (_, index) => `${2 * index + 1} first [secret]`);
    expect(await linesOf(first.of, 'stdout')).toEqual(odd);
    expect(await linesOf(first.of, 'stderr')).toHaveLength(1000);
    expect((await read(first.of)).lines).toContainEqual(
      expect.objectContaining({
        ...{ source: 'log', level: 'warn', text: 'reported' },
        fields: { lines: 2000, secret: 'first [secret]' },
      }),
    );
    expect(await linesOf(second.of, 'stdout')).toEqual(['1 second', '3 second']);
    expect((await linesOf(second.of, 'worker')).at(-1)).toBe('failed (user): bad');
  });

  it('just before it is killed is there, to the last word', async () => {
    const { of } = await run({ lines: 11, text: 'alive', end: 'killed' });
    expect((await linesOf(of, 'stdout')).slice(-2)).toEqual([
      '11 alive',
      'last words without an end of line',
    ]);
    expect((await linesOf(of, 'worker')).at(-1)).toBe('the child process ended by SIGKILL');
  });

  it('when it crashes is there, with the stack', async () => {
    const { of } = await run({ lines: 0, text: '', end: 'crash' });
    expect((await linesOf(of, 'stderr')).join('\n')).toMatch(/Error: a crash of its own\n +at /);
  });

  it('holds it up little, though it is much', async () => {
    const { of, milliseconds } = await run({ lines: 200_000, text: '.'.repeat(100), end: 'done' });
    const { lines } = await read(of);
    expect(lines.some(({ text }) => text.includes('are left out'))).toBe(true);
    expect(texts(lines)).toContain(`200000 ${'.'.repeat(100)}`);
    expect(texts(lines)).toContain(`1 ${'.'.repeat(100)}`);
    expect(milliseconds).toBeLessThan(20_000);
  });
});
