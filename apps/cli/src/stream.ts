import { streamFrames } from '@ferment/contracts';
import type { EventRecord, JobProgress, MetricChunk } from '@ferment/contracts';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { Client } from './client.js';
import { ApiError, isPassing } from './errors.js';

export type Frame =
  | { name: 'event'; data: EventRecord }
  | { name: 'metrics'; data: MetricChunk }
  | { name: 'progress'; data: { jobId: string; progress: JobProgress } };

export interface FollowOptions {
  experiments?: readonly string[];
  jobs?: readonly string[];
  signal: AbortSignal;
  /** Called each time the stream is open: what happened before it must be asked for now. */
  onOpen?(): void;
}

const pause = (milliseconds: number, signal: AbortSignal) =>
  new Promise<void>((done) => {
    const timer = setTimeout(finish, milliseconds);
    function finish() {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      done();
    }
    signal.addEventListener('abort', finish);
  });

function parseFrame(name: string, data: string): Frame | null {
  if (name === 'event') return { name, data: streamFrames.event.parse(JSON.parse(data)) };
  if (name === 'metrics') return { name, data: streamFrames.metrics.parse(JSON.parse(data)) };
  if (name === 'progress') return { name, data: streamFrames.progress.parse(JSON.parse(data)) };
  return null;
}

/**
 * The live stream of experiments and jobs until `signal` aborts. A dropped connection, or an API that restarts, is
 * taken up again after the last frame seen (`Last-Event-ID`), so nothing is missed or repeated.
 *
 * @throws ApiError when the API refuses (a 4xx answer); anything else is tried again
 */
export async function* follow(client: Client, options: FollowOptions): AsyncGenerator<Frame> {
  const query = new URLSearchParams();
  for (const id of options.experiments ?? []) query.append('experiment', id);
  for (const id of options.jobs ?? []) query.append('job', id);
  let last: string | undefined;
  let failures = 0;
  while (!options.signal.aborted) {
    try {
      const response = await client.fetch(`stream?${query.toString()}`, {
        headers: { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) },
        signal: options.signal,
      });
      if (response.body === null) throw new Error('the stream has no body');
      options.onOpen?.();
      failures = 0;
      const messages = response.body
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream());
      for await (const message of messages) {
        const frame = parseFrame(message.event ?? 'message', message.data);
        if (frame !== null) yield frame;
        // After the yield: a frame counts as seen once the reader asked for the next.
        if (message.id) last = message.id;
      }
    } catch (error) {
      if (options.signal.aborted) return;
      if (error instanceof ApiError && !isPassing(error)) throw error;
    }
    failures += 1;
    await pause(Math.min(5000, 100 * 2 ** failures), options.signal);
  }
}
