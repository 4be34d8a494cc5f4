import { describe, expect, it } from '@jest/globals';
import type { EventFeed, FeedFilter, StreamCursor } from '@ferment/platform';
import { type Sink, StreamConnection } from '../src/stream/connection.js';

type Signal = Parameters<Parameters<EventFeed['subscribe']>[0]>[0];
type Batch = Awaited<ReturnType<EventFeed['since']>>;

const everything: FeedFilter = { experiments: [], jobs: [] };
const all = new Set(['event', 'metrics', 'progress'] as const);
const jobId = '00000000-0000-4000-8000-00000000000a';

/** A feed of metric chunks numbered from 1, in memory; `delivered` counts what was read from it. */
class Numbers {
  delivered = 0;
  private length = 0;
  private readonly listeners = new Set<(signal: Signal) => void>();

  grow(by: number): void {
    this.length += by;
    this.tell({ type: 'changed' });
  }

  tell(signal: Signal): void {
    for (const listener of this.listeners) listener(signal);
  }

  since(cursor: StreamCursor, _filter: FeedFilter, limit: number): Promise<Batch> {
    const from = Number(cursor.chunk);
    const to = Math.min(this.length, from + limit);
    const items: Batch['items'] = [];
    for (let n = from + 1; n <= to; n++) {
      const data = { jobId, attempt: 1, cursor: n, truncateFrom: null, rows: [] };
      items.push({ name: 'metrics', cursor: { event: '0', chunk: String(n) }, data });
    }
    this.delivered += items.length;
    return Promise.resolve({ items, cursor: { event: '0', chunk: String(to) }, more: to < this.length });
  }

  subscribe(listener: (signal: Signal) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  get readers(): number {
    return this.listeners.size;
  }
}

/** Takes `room` frames, then asks the writer to wait until it is opened. */
class SlowReader implements Sink {
  readonly frames: string[] = [];
  private opened: () => void = () => undefined;
  private taken: () => void = () => undefined;

  constructor(private room: number) {}

  write(text: string): boolean {
    this.frames.push(text);
    this.taken();
    return this.frames.length < this.room;
  }

  drained(): Promise<void> {
    return new Promise((resolve) => (this.opened = resolve));
  }

  open(): void {
    this.room = Infinity;
    this.opened();
  }

  async until(count: number): Promise<void> {
    while (this.frames.length < count) await new Promise<void>((resolve) => (this.taken = resolve));
  }

  cursors(): number[] {
    return this.frames.flatMap((text) => {
      const match = /^id: 0\.(\d+)\nevent: metrics\n/.exec(text);
      return match ? [Number(match[1])] : [];
    });
  }
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe('a stream connection', () => {
  it('sends everything after its cursor once and in order, across batches and while the feed grows', async () => {
    const feed = new Numbers();
    feed.grow(450);
    const reader = new SlowReader(Infinity);
    const connection = new StreamConnection(feed, reader, everything, all, { event: '0', chunk: '10' });
    const run = connection.run();
    await reader.until(1 + 440);
    feed.grow(5);
    await reader.until(1 + 445);
    connection.close();
    await run;
    expect(reader.cursors()).toEqual(numbers(11, 455));
  });

  it('reads no further ahead than one batch while its client does not read', async () => {
    const feed = new Numbers();
    feed.grow(5000);
    const reader = new SlowReader(3);
    const connection = new StreamConnection(feed, reader, everything, all, { event: '0', chunk: '0' });
    const run = connection.run();
    await reader.until(3);
    feed.grow(5000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(feed.delivered).toBeLessThanOrEqual(200);
    reader.open();
    await reader.until(1 + 10_000);
    connection.close();
    await run;
    expect(reader.cursors()).toEqual(numbers(1, 10_000));
  });

  it('keeps of progress only the newest of each job, and gives it no place in the stream', async () => {
    const feed = new Numbers();
    const reader = new SlowReader(1);
    const connection = new StreamConnection(feed, reader, everything, all, { event: '0', chunk: '0' });
    const run = connection.run();
    for (let done = 1; done <= 100; done++) {
      feed.tell({ type: 'progress', jobId, progress: { done, total: 100, unit: 'step', rate: null } });
    }
    reader.open();
    await reader.until(2);
    connection.close();
    await run;
    expect(reader.frames.slice(1)).toEqual([
      `event: progress\ndata: {"jobId":"${jobId}","progress":{"done":100,"total":100,"unit":"step","rate":null}}\n\n`,
    ]);
  });

  it('starts with an id and no data, so that a client that got nothing yet can come back to the same place', async () => {
    const feed = new Numbers();
    const reader = new SlowReader(Infinity);
    const connection = new StreamConnection(feed, reader, everything, all, { event: '7', chunk: '3' });
    const run = connection.run();
    await reader.until(1);
    connection.keepAlive();
    await reader.until(2);
    connection.close();
    await run;
    expect(reader.frames[0]).toBe(': heartbeat\nid: 7.3\n\n');
    expect(feed.readers).toBe(0);
  });
});
