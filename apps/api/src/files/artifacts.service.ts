import { Inject, Injectable } from '@nestjs/common';
import type { ArtifactReference } from '@ferment/contracts';
import { ArtifactCorrupt, ArtifactMissing, ArtifactRecords, type ArtifactStore } from '@ferment/platform';
import { LOGGER, type Logger } from '../common/logging.js';
import { Problem } from '../common/problem.js';
import { ARTIFACT_STORE } from '../tokens.js';

/** How long a client does well to wait for a job to make a file again. */
const retryAfterSeconds = 10;

/** 503: a job is making the file anew. */
export function beingMadeAgain(): Problem {
  const detail = 'The file was damaged and is being made again; ask for it once more in a while.';
  return new Problem('unavailable', detail, [], retryAfterSeconds);
}

/** Files of the store. One that is gone or damaged is made again by the jobs that made it before. */
@Injectable()
export class Artifacts {
  constructor(
    @Inject(ARTIFACT_STORE) private readonly store: ArtifactStore,
    private readonly records: ArtifactRecords,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * @throws Problem unavailable where a job is making it again, gone where it was damaged and nothing can make it
   *   again, not-found where there never was one
   */
  async find(hash: string): Promise<ArtifactReference> {
    const file = await this.store.has(hash);
    if (file) return file;
    throw await this.lost(hash);
  }

  /** All of its bytes, verified. @throws as {@link find} does */
  async read(hash: string): Promise<Uint8Array> {
    try {
      return await this.store.read(hash);
    } catch (error) {
      if (error instanceof ArtifactMissing) throw await this.lost(hash);
      if (error instanceof ArtifactCorrupt) throw await this.damaged(hash, error.message);
      throw error;
    }
  }

  /** Takes a file whose bytes are not its own out of use. @returns what to answer */
  async damaged(hash: string, reason: string): Promise<Problem> {
    const outcome = await this.store.quarantine(hash, reason);
    this.logger.error({ hash, reason, outcome }, 'artifact does not match its hash');
    // Somebody has written it anew since it was read.
    if (outcome === 'sound')
      return new Problem('unavailable', 'The file was just repaired; ask for it again.');
    return this.lost(hash);
  }

  private async lost(hash: string): Promise<Problem> {
    const outcome = await this.records.lost(hash);
    if (outcome === 'being made again') {
      this.logger.error({ hash }, 'artifact is missing: made again');
      return beingMadeAgain();
    }
    for await (const { at, reason } of this.store.quarantined(hash)) {
      return new Problem(
        'gone',
        `The file was found damaged on ${at.toISOString()} and put aside (${reason}). No job can make it again: ` +
          'upload the same file once more.',
      );
    }
    if (outcome === 'cannot be made again') {
      this.logger.error({ hash }, 'artifact is missing: no job can make it again');
      return new Problem(
        'gone',
        'The file is no longer in the store, and no job can make it again: upload it once more.',
      );
    }
    return new Problem('not-found', 'There is no such artifact.');
  }
}
