import { describe, expect, test } from '@jest/globals';
import type { FeedFilter } from '../src/index.js';
import { RecentLog, type LogEntry, type LogPart } from '../src/truth/recent-log.js';

const everything: FeedFilter = { experiments: [], jobs: [] };
const cursorAt = (xid: number) => ({ event: '5:1', chunk: `${xid}:${xid}` });

/** Chunks of two jobs in turn, one a transaction, from 11 on; an answer holds at most 100. */
class Chunks {
  reads = 0;
  newest = 10;
  failing = false;
  /** Told when a reading has begun, which then waits for what is given back. */
  began: () => Promise<void> = () => Promise.resolve();

  now() {
    if (this.failing) return Promise.reject(new Error('away'));
    return Promise.resolve(cursorAt(this.newest));
  }

  async read(from: { chunk: string }): Promise<LogPart> {
    this.reads += 1;
    if (this.failing) throw new Error('away');
    const first = Number(from.chunk.split(':')[0]) + 1;
    const last = Math.min(this.newest, first + 99);
    const entries = Array.from({ length: last - first + 1 }, (_, at) => entry(first + at));
    const part = { entries, cursor: cursorAt(last), more: last < this.newest };
    await this.began();
    return part;
  }
}

function entry(xid: number): LogEntry {
  const jobId = xid % 2 === 0 ? 'even' : 'odd';
  const rows = Array.from({ length: 100 }, (_, step) => ({ step, epoch: 0, time: 0, values: {} }));
  const data = { jobId, attempt: 1, cursor: xid, truncateFrom: null, rows };
  return {
    kind: 'chunk',
    place: { xid, id: xid },
    item: { name: 'metrics', cursor: cursorAt(xid), data },
    jobId,
    experiments: new Set([`experiment ${jobId}`]),
  };
}

async function started(): Promise<{ log: Chunks; recent: RecentLog }> {
  const log = new Chunks();
  const recent = new RecentLog(log);
  await recent.since(cursorAt(10), everything, 10);
  return { log, recent };
}

const cursorsOf = (answer: Awaited<ReturnType<RecentLog['since']>>) =>
  answer?.items.map(({ data }) => ('rows' in data ? data.cursor : null));

describe('the newest part of the log', () => {
  test('is read once for readers who ask together, and each gets what it follows', async () => {
    const { log, recent } = await started();
    log.newest = 16;
    const answers = await Promise.all([
      recent.since(cursorAt(10), everything, 10),
      recent.since(cursorAt(12), { experiments: ['experiment even'], jobs: [] }, 10),
      recent.since(cursorAt(10), { experiments: [], jobs: ['odd'] }, 10),
      recent.since(cursorAt(10), { experiments: ['another'], jobs: [] }, 10),
    ]);
    expect(log.reads).toBe(1);
    expect(answers.map(cursorsOf)).toEqual([[11, 12, 13, 14, 15, 16], [14, 16], [11, 13, 15], []]);
    expect(answers.map((answer) => answer?.cursor)).toEqual(answers.map(() => cursorAt(16)));
  });

  test('whoever asks while it is being read gets what has come since', async () => {
    const { log, recent } = await started();
    log.newest = 11;
    let goOn: () => void = () => undefined;
    const reading = new Promise<void>((begun) => {
      log.began = () => new Promise((resolve) => ((goOn = resolve), begun()));
    });
    const first = recent.since(cursorAt(10), everything, 10);
    await reading;
    log.newest = 12;
    log.began = () => Promise.resolve();
    const second = recent.since(cursorAt(10), everything, 10);
    goOn();
    expect(cursorsOf(await first)).toEqual([11]);
    expect(cursorsOf(await second)).toEqual([11, 12]);
  });

  test('in steps of a limit nothing is repeated or left out', async () => {
    const { log, recent } = await started();
    log.newest = 40;
    const seen: unknown[] = [];
    let cursor = cursorAt(10);
    for (let more = true; more;) {
      const part = await recent.since(cursor, { experiments: [], jobs: ['odd'] }, 4);
      if (!part) throw new Error('the reader stands in the log');
      seen.push(...(cursorsOf(part) ?? []));
      ({ cursor, more } = part);
    }
    expect(seen).toEqual(Array.from({ length: 15 }, (_, at) => 11 + 2 * at));
  });

  test('is bounded: who fell behind, or stands at a bare id, reads for itself', async () => {
    const { log, recent } = await started();
    log.newest = 710;
    expect(await recent.since(cursorAt(10), everything, 10)).toBeNull();
    expect(cursorsOf(await recent.since(cursorAt(700), everything, 100))).toHaveLength(10);
    expect(await recent.since({ event: '1', chunk: '700' }, everything, 10)).toBeNull();
  });

  test('after a long pause it begins anew at the end, also where that failed at first', async () => {
    const { log, recent } = await started();
    log.newest = 5000;
    expect(await recent.since(cursorAt(10), everything, 10)).toBeNull();
    log.newest = 9000;
    log.failing = true;
    await expect(recent.since(cursorAt(5000), everything, 10)).rejects.toThrow('away');
    log.failing = false;
    expect(await recent.since(cursorAt(5000), everything, 10)).toBeNull();
    log.newest = 9001;
    expect(cursorsOf(await recent.since(cursorAt(9000), everything, 10))).toEqual([9001]);
  });
});
