import { getQueueToken } from '@nestjs/bullmq';
import { Inject, Injectable } from '@nestjs/common';
import { answerWithin, type ArtifactStore, Database, queueDepth, queueName } from '@ferment/platform';
import type { QueueMessage } from '@ferment/platform';
import type { Queue } from 'bullmq';
import { LOGGER, type Logger } from '../common/logging.js';
import { ARTIFACT_STORE } from '../tokens.js';

const deadlineSeconds = 2;
/** No file has this hash; asking for it shows whether the store answers. */
const noFile = '0'.repeat(64);

export type Part = 'database' | 'queue' | 'store';

/** Whether the parts that the API needs answer in time. */
@Injectable()
export class Readiness {
  private readonly questions: Record<Part, () => Promise<unknown>>;
  /** Questions that have had no answer yet: a part that hangs is not asked again and again beside them. */
  private readonly open = new Map<Part, Promise<unknown>>();

  constructor(
    database: Database,
    @Inject(ARTIFACT_STORE) store: ArtifactStore,
    @Inject(getQueueToken(queueName('light'))) queue: Queue<QueueMessage>,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.questions = {
      database: () => database.pool.query('SELECT 1'),
      queue: () => queueDepth(queue),
      // The second finds a folder that is no longer one, or whose disk is gone; S3 answers the first.
      store: () => Promise.all([store.has(noFile), store.freeBytes()]),
    };
  }

  /** `ok` for each part, or why it is not, in words that name no address: this is told to anybody. */
  async check(): Promise<Record<Part, string>> {
    const [database, queue, store] = await Promise.all([
      this.state('database'),
      this.state('queue'),
      this.state('store'),
    ]);
    return { database, queue, store };
  }

  private async state(part: Part): Promise<string> {
    try {
      await answerWithin(deadlineSeconds, () => this.ask(part));
      return 'ok';
    } catch (error) {
      this.logger.warn({ part, err: error }, 'not ready');
      return reasonOf(error);
    }
  }

  private ask(part: Part): Promise<unknown> {
    const asked = this.open.get(part);
    if (asked !== undefined) return asked;
    const question = this.questions[part]().finally(() => this.open.delete(part));
    this.open.set(part, question);
    return question;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'it refuses connections',
  ECONNRESET: 'it cut the connection',
  EPIPE: 'it cut the connection',
  ENOTFOUND: 'nobody knows its name',
  EAI_AGAIN: 'nobody knows its name',
  ETIMEDOUT: 'no connection in time',
  ENOTDIR: 'its folder is not a folder',
  EEXIST: 'its folder is not a folder',
  EACCES: 'it may not be used by this process',
  EROFS: 'it cannot be written',
  EIO: 'its disk does not work',
  '57P01': 'it is stopping',
  '57P02': 'it is stopping',
  '57P03': 'it is starting or stopping',
  '53300': 'it takes no more connections',
};

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const message = error instanceof Error ? error.message : String(error);
  // What our own deadline says names nothing.
  if (/^no answer within [\d.]+ s$/.test(message)) return message;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') return reasons[code] ?? `it fails (${code})`;
  if (/^Connection terminated|connection timeout|Connection is closed/i.test(message))
    return 'the connection broke';
  return 'it fails; the log of the API says why';
}
