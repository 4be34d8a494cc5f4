import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import type { StreamFrameName } from '@ferment/contracts';
import { EventFeed, type FeedFilter, type StreamCursor, Tokens } from '@ferment/platform';
import type { Request, Response } from 'express';
import { credentials } from '../auth/credentials.js';
import { LOGGER, type Logger } from '../common/logging.js';
import { Problem } from '../common/problem.js';
import { type Sink, StreamConnection } from './connection.js';

const heartbeatMs = 10_000;
/** A client that takes nothing for this long is gone. */
const stalledMs = 60_000;
const maximumConnections = 500;

/** What a client asked for; `from` null means from now. */
export interface Wanted {
  readonly filter: FeedFilter;
  readonly names: ReadonlySet<StreamFrameName>;
  readonly from: StreamCursor | null;
}

/** The open event streams of this process. */
@Injectable()
export class Streams implements BeforeApplicationShutdown {
  private readonly open = new Map<StreamConnection, Response>();
  private stopping = false;

  constructor(
    private readonly feed: EventFeed,
    private readonly tokens: Tokens,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Streams until the client leaves, its token ends or the server stops. */
  async serve(request: Request, response: Response, wanted: Wanted): Promise<void> {
    if (this.stopping || this.open.size >= maximumConnections) {
      throw new Problem('unavailable', 'No further stream can be opened now; try again in a few seconds.');
    }
    const start = wanted.from ?? (await this.feed.now());
    const connection = new StreamConnection(this.feed, sinkOf(response), wanted.filter, wanted.names, start);
    if (response.destroyed) return;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
    });
    response.write('retry: 1000\n\n');
    this.open.set(connection, response);
    response.once('close', () => connection.close());
    const timer = setInterval(() => void this.beat(request, connection), heartbeatMs);
    try {
      await connection.run();
    } catch (error) {
      if (!response.destroyed) this.logger.warn({ err: error }, 'stream ended');
    } finally {
      clearInterval(timer);
      this.open.delete(connection);
      response.end();
    }
  }

  /** Clients reconnect by themselves with their last id, to another replica or to this one after its restart. */
  beforeApplicationShutdown(): void {
    this.stopping = true;
    for (const [connection, response] of this.open) {
      connection.close();
      response.end();
    }
  }

  private async beat(request: Request, connection: StreamConnection): Promise<void> {
    const given = credentials(request);
    try {
      if (given && (await this.tokens.verify(given.secret))) connection.keepAlive();
      else connection.close();
    } catch {
      // The database does not answer: say nothing new about the token, and keep the connection.
      connection.keepAlive();
    }
  }
}

function sinkOf(response: Response): Sink {
  return {
    write: (text) => response.write(text),
    drained: () =>
      new Promise((resolve, reject) => {
        if (response.destroyed) return resolve();
        const leave = (): void => {
          clearTimeout(late);
          response.off('drain', settle).off('close', settle);
        };
        const settle = (): void => {
          leave();
          resolve();
        };
        const late = setTimeout(() => {
          leave();
          response.destroy();
          reject(new Error(`the reader took nothing for ${stalledMs / 1000} s`));
        }, stalledMs);
        response.on('drain', settle).on('close', settle);
      }),
  };
}
