import { Inject, Injectable } from '@nestjs/common';
import type { ArtifactReference } from '@ferment/contracts';
import { ArtifactCorrupt, ArtifactMissing, type ArtifactStore, Jobs } from '@ferment/platform';
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
    private readonly jobs: Jobs,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** @throws Problem unavailable where a job is making it again, not-found where none ever made it */
  async find(hash: string): Promise<ArtifactReference> {
    const file = await this.store.has(hash);
    if (file) return file;
    throw await this.lost(hash, 'artifact is missing');
  }

  /** All of its bytes, verified. @throws as {@link find} does */
  async read(hash: string): Promise<Uint8Array> {
    try {
      return await this.store.read(hash);
    } catch (error) {
      if (error instanceof ArtifactMissing) throw await this.lost(hash, 'artifact is missing');
      if (error instanceof ArtifactCorrupt) throw await this.damaged(hash);
      throw error;
    }
  }

  /** Takes a file whose bytes are not its own out of use. @returns what to answer */
  async damaged(hash: string): Promise<Problem> {
    await this.store.quarantine(hash);
    return this.lost(hash, 'artifact does not match its hash: quarantined');
  }

  private async lost(hash: string, what: string): Promise<Problem> {
    if (!(await this.jobs.makes(hash))) return new Problem('not-found', 'There is no such artifact.');
    this.logger.error({ hash }, what);
    await this.jobs.artifactCorrupt(hash);
    return beingMadeAgain();
  }
}
