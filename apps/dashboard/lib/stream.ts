import { streamFrames, type StreamFrameName } from '@ferment/contracts';
import type { z } from 'zod';
import { api } from './client';

export type Frame = {
  [K in StreamFrameName]: { name: K; data: z.output<(typeof streamFrames)[K]> };
}[StreamFrameName];
/** `idle`: the page follows nothing. */
export type ConnectionState = 'idle' | 'connecting' | 'live' | 'broken';

/** What a page follows: one experiment with everything in it, or the events of all experiments. */
export type StreamTopic = { experiment: string } | 'all-events';

export interface StreamOptions {
  readonly open?: (address: string) => EventSource;
  /** Milliseconds before the n-th (from 0) attempt to open a stream that the server refused. */
  readonly backOff?: (failures: number) => number;
}

const frameNames = Object.keys(streamFrames) as StreamFrameName[];

/**
 * The tab's one event stream. EventSource itself reconnects with `Last-Event-ID`; where it gives up (the server
 * answered with an error) or the topic changes, the stream is opened anew from the last id seen, so that nothing is
 * missed and nothing repeats.
 */
export class LiveStream {
  private source: EventSource | null = null;
  private topic: StreamTopic | null = null;
  private lastId: string | null = null;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private state: ConnectionState = 'idle';
  private readonly frameListeners = new Set<(frame: Frame) => void>();
  private readonly stateListeners = new Set<() => void>();
  private readonly startListeners = new Set<() => void>();
  private readonly open: (address: string) => EventSource;
  private readonly backOff: (failures: number) => number;

  constructor({ open, backOff }: StreamOptions = {}) {
    this.open = open ?? ((address) => new EventSource(address));
    this.backOff = backOff ?? ((failures) => Math.min(15_000, 500 * 2 ** failures));
  }

  get connection(): ConnectionState {
    return this.state;
  }

  /** Follows a topic from now on; the frames before are another page's. */
  follow(topic: StreamTopic): () => void {
    this.topic = topic;
    this.lastId = null;
    this.failures = 0;
    this.setState('connecting');
    this.connect();
    return () => {
      if (this.topic !== topic) return;
      this.topic = null;
      this.close();
      this.setState('idle');
    };
  }

  onFrame(listener: (frame: Frame) => void): () => void {
    this.frameListeners.add(listener);
    return () => this.frameListeners.delete(listener);
  }

  onState = (listener: () => void): (() => void) => {
    this.stateListeners.add(listener);
    return () => this.stateListeners.delete(listener);
  };

  /** Calls when the stream starts from now, with no id to resume from: what was read before it may be out of date. */
  onStart(listener: () => void): () => void {
    this.startListeners.add(listener);
    return () => this.startListeners.delete(listener);
  }

  private address(topic: StreamTopic): string {
    const query = new URLSearchParams(
      topic === 'all-events' ? { frames: 'event' } : { experiment: topic.experiment },
    );
    if (this.lastId !== null) query.set('from', this.lastId);
    return api(`stream?${query}`);
  }

  private connect(): void {
    this.close();
    if (this.topic === null) return;
    const source = this.open(this.address(this.topic));
    this.source = source;
    source.addEventListener('open', () => {
      this.failures = 0;
      this.setState('live');
      if (this.lastId === null) for (const listener of this.startListeners) listener();
    });
    source.addEventListener('error', () => {
      this.setState('broken');
      // CLOSED: the browser will not try again by itself.
      if (source.readyState === 2) {
        this.close();
        this.timer = setTimeout(() => this.connect(), this.backOff(this.failures));
        this.failures += 1;
      }
    });
    // Whoever follows all events gets no curves: they are not even parsed.
    const wanted: readonly StreamFrameName[] = this.topic === 'all-events' ? ['event'] : frameNames;
    for (const name of wanted) {
      source.addEventListener(name, (message: MessageEvent<string>) => this.receive(name, message));
    }
  }

  private receive(name: StreamFrameName, message: MessageEvent<string>): void {
    if (message.lastEventId !== '') this.lastId = message.lastEventId;
    const frame = parseFrame(name, message.data);
    if (frame) for (const listener of this.frameListeners) listener(frame);
  }

  private close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.source?.close();
    this.source = null;
  }

  private setState(state: ConnectionState): void {
    if (state === this.state) return;
    this.state = state;
    for (const listener of this.stateListeners) listener();
  }
}

/** A frame checked against its contract; null for one that these pages do not know. */
function parseFrame(name: StreamFrameName, text: string): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  switch (name) {
    case 'event': {
      const parsed = streamFrames.event.safeParse(value);
      return parsed.success ? { name, data: parsed.data } : null;
    }
    case 'metrics': {
      const parsed = streamFrames.metrics.safeParse(value);
      return parsed.success ? { name, data: parsed.data } : null;
    }
    case 'curve': {
      const parsed = streamFrames.curve.safeParse(value);
      return parsed.success ? { name, data: parsed.data } : null;
    }
    case 'progress': {
      const parsed = streamFrames.progress.safeParse(value);
      return parsed.success ? { name, data: parsed.data } : null;
    }
  }
}

/** The tab's stream. */
export const stream = new LiveStream();
