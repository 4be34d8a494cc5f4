import { describe, expect, it, jest } from '@jest/globals';
import { LiveStream, type Frame } from '../lib/stream';

/** What LiveStream uses of an EventSource, driven by the test. */
class Source extends EventTarget {
  readyState = 0;
  closed = false;

  constructor(readonly address: string) {
    super();
  }

  close(): void {
    this.closed = true;
    this.readyState = 2;
  }

  opened(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event('open'));
  }

  /** The server answered with an error: the browser gives up. */
  refused(): void {
    this.readyState = 2;
    this.dispatchEvent(new Event('error'));
  }

  sends(name: string, data: unknown, id = ''): void {
    const text = typeof data === 'string' ? data : JSON.stringify(data);
    this.dispatchEvent(Object.assign(new Event(name), { data: text, lastEventId: id }));
  }
}

function opened() {
  const sources: Source[] = [];
  const stream = new LiveStream({
    open: (address) => {
      const source = new Source(address);
      sources.push(source);
      return source as unknown as EventSource;
    },
    backOff: () => 1,
  });
  const frames: Frame[] = [];
  stream.onFrame((frame) => frames.push(frame));
  return { stream, sources, frames, latest: () => sources.at(-1) ?? new Source('none') };
}

const progress = { jobId: 'a', progress: { done: 1, total: 2, unit: 'steps', rate: null } };
const settled = (condition: () => boolean) =>
  new Promise<void>((resolve, reject) => {
    const started = Date.now();
    const look = () => {
      if (condition()) resolve();
      else if (Date.now() - started > 2000) reject(new Error('did not happen within 2 s'));
      else setTimeout(look, 2);
    };
    look();
  });

describe('the live stream', () => {
  it('follows one experiment through one source', () => {
    const { stream, sources, frames, latest } = opened();
    stream.follow({ experiment: 'one' });
    stream.follow({ experiment: 'two' });
    expect(sources.map(({ closed }) => closed)).toEqual([true, false]);
    expect(latest().address).toBe('/api/v1/stream?experiment=two');
    latest().sends('progress', progress);
    expect(frames).toEqual([{ name: 'progress', data: progress }]);
  });

  it('opens anew from the last id when the server refused, and says so meanwhile', async () => {
    const { stream, sources, latest } = opened();
    const started = jest.fn();
    stream.onStart(started);
    stream.follow({ experiment: 'one' });
    latest().opened();
    expect(stream.connection).toBe('live');
    expect(started).toHaveBeenCalledTimes(1);
    latest().sends('progress', progress, '7.42');
    latest().refused();
    expect(stream.connection).toBe('broken');
    await settled(() => sources.length === 2);
    expect(latest().address).toBe('/api/v1/stream?experiment=one&from=7.42');
    latest().opened();
    expect(stream.connection).toBe('live');
    // It resumed: nothing was missed, so nothing need be read again.
    expect(started).toHaveBeenCalledTimes(1);
  });

  it('leaves reconnecting to the browser while that still tries', () => {
    const { stream, sources, latest } = opened();
    stream.follow({ experiment: 'one' });
    latest().readyState = 0;
    latest().dispatchEvent(new Event('error'));
    expect(stream.connection).toBe('broken');
    expect(sources).toHaveLength(1);
    expect(latest().closed).toBe(false);
  });

  it('does not carry an id over to another topic', () => {
    const { stream, latest } = opened();
    stream.follow({ experiment: 'one' });
    latest().sends('progress', progress, '7.42');
    stream.follow('all-events');
    expect(latest().address).toBe('/api/v1/stream?frames=event');
  });

  it('drops frames that are not what the contract says', () => {
    const { stream, frames, latest } = opened();
    stream.follow({ experiment: 'one' });
    latest().sends('progress', '{"jobId":');
    latest().sends('metrics', { jobId: 'a' });
    expect(frames).toEqual([]);
  });

  it('closes when its last follower leaves', () => {
    const { stream, latest } = opened();
    const leave = stream.follow({ experiment: 'one' });
    leave();
    expect(latest().closed).toBe(true);
    expect(stream.connection).toBe('idle');
  });
});
