import { Inject, Injectable } from '@nestjs/common';
import { answerWithin, type ArtifactStore, Database } from '@ferment/platform';
import { LOGGER, type Logger } from '../common/logging.js';
import { ARTIFACT_STORE } from '../tokens.js';

const deadlineSeconds = 2;
/** No file has this hash; asking for it shows whether the store answers. */
const noFile = '0'.repeat(64);

/** Whether the parts that the API needs answer in time. */
@Injectable()
export class Readiness {
  constructor(
    private readonly database: Database,
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** `ok` or `away` for each part. */
  async check(): Promise<Record<'database' | 'store', 'ok' | 'away'>> {
    const [database, store] = await Promise.all([
      this.answers('database', () => this.database.pool.query('SELECT 1')),
      this.answers('store', () => this.store.has(noFile)),
    ]);
    return { database, store };
  }

  private async answers(part: string, ask: () => Promise<unknown>): Promise<'ok' | 'away'> {
    try {
      await answerWithin(deadlineSeconds, ask);
      return 'ok';
    } catch (error) {
      this.logger.warn({ part, err: error }, 'not ready');
      return 'away';
    }
  }
}
