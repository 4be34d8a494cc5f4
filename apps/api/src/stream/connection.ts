import type { JobProgress, StreamFrameName } from '@ferment/contracts';
import type { EventFeed, FeedFilter, StreamCursor } from '@ferment/platform';
import { frame, heartbeat } from './frames.js';

/** What a connection writes to: an HTTP response, seen as little of as is needed. */
export interface Sink {
  /** False asks to wait for `drained`. */
  write(text: string): boolean;
  /** Resolves when there is room again; rejects if the reader takes nothing for too long. */
  drained(): Promise<void>;
}

const batchSize = 200;
const maximumProgress = 1000;

/**
 * One reader of the event stream. It pulls from the feed at the speed at which its client reads, so a slow client
 * costs a cursor and not a growing buffer; of progress it keeps the newest of each job.
 */
export class StreamConnection {
  private readonly progress = new Map<string, JobProgress>();
  private news = true;
  private beat = false;
  private closed = false;
  private wake: () => void = () => undefined;

  constructor(
    private readonly feed: Pick<EventFeed, 'since' | 'subscribe'>,
    private readonly sink: Sink,
    private readonly filter: FeedFilter,
    /** Frames that the client asked for. */
    private readonly names: ReadonlySet<StreamFrameName>,
    private cursor: StreamCursor,
  ) {}

  /** Runs until `close`; rejects if the feed or the client fails. */
  async run(): Promise<void> {
    const unsubscribe = this.feed.subscribe((signal) => {
      if (signal.type === 'progress') this.keepProgress(signal.jobId, signal.progress);
      else this.news = true;
      this.wake();
    });
    try {
      await this.send(heartbeat(this.cursor));
      while (!this.closed) {
        const woken = new Promise<void>((resolve) => (this.wake = resolve));
        if (this.news) await this.pull();
        await this.sendProgress();
        if (this.beat) {
          this.beat = false;
          await this.send(heartbeat(this.cursor));
        }
        if (!this.news && !this.beat && !this.closed && this.progress.size === 0) await woken;
      }
    } finally {
      unsubscribe();
    }
  }

  /** Sends a heartbeat as soon as what is under way has been sent. */
  keepAlive(): void {
    this.beat = true;
    this.wake();
  }

  close(): void {
    this.closed = true;
    this.wake();
  }

  private async pull(): Promise<void> {
    this.news = false;
    const batch = await this.feed.since(this.cursor, this.filter, batchSize);
    for (const item of batch.items) {
      if (this.closed) return;
      if (this.wants(item.name)) await this.send(frame(item.name, item.data, item.cursor));
      this.cursor = item.cursor;
    }
    this.cursor = batch.cursor;
    if (batch.more) this.news = true;
  }

  /** Whoever follows curves must know of those that they have to read again. */
  private wants(name: StreamFrameName): boolean {
    return this.names.has(name) || (name === 'curve' && this.names.has('metrics'));
  }

  private keepProgress(jobId: string, progress: JobProgress): void {
    if (!this.names.has('progress')) return;
    if (
      this.filter.jobs.length > 0 &&
      this.filter.experiments.length === 0 &&
      !this.filter.jobs.includes(jobId)
    )
      return;
    if (this.progress.size < maximumProgress || this.progress.has(jobId)) this.progress.set(jobId, progress);
  }

  private async sendProgress(): Promise<void> {
    const entries = [...this.progress];
    this.progress.clear();
    for (const [jobId, progress] of entries) await this.send(frame('progress', { jobId, progress }, null));
  }

  private async send(text: string): Promise<void> {
    if (this.closed) return;
    if (!this.sink.write(text)) await this.sink.drained();
  }
}
