import type { ArtifactReference } from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import type { ArtifactStore, Content } from '../store/artifact-store.js';
import { recordArtifacts } from './attempt-queries.js';
import { rerunProducers } from './failure.js';
import { changeGraph } from './graph.js';

/** What became of an artifact whose bytes are gone or damaged. */
export type Loss = 'being made again' | 'cannot be made again' | 'not needed';

/** Files of the store as the database knows them. */
export class ArtifactRecords {
  constructor(
    private readonly database: Database,
    private readonly store: ArtifactStore,
  ) {}

  /**
   * Stores a file that somebody sends in. Its name is noted before its bytes are shown, so that it cannot be collected
   * in between; from then on it is kept for the grace time, or as long as a job names it.
   *
   * @throws whatever `content` throws; nothing is stored then
   */
  async upload(content: Content): Promise<ArtifactReference> {
    const staged = await this.store.stage(content);
    try {
      const { hash, bytes } = staged;
      if (bytes > 0) {
        await this.note({ hash, bytes });
        await staged.publish();
      }
      return { hash, bytes };
    } finally {
      await staged.discard();
    }
  }

  /** Notes a file that is in the store: its grace time begins anew where nothing refers to it. */
  note(file: ArtifactReference): Promise<void> {
    return this.database.transaction(async (tx) => {
      await recordArtifacts(tx, [file], ['upload']);
    });
  }

  /**
   * An artifact's bytes are gone, or are not those of its hash and were taken out of use: the finished jobs that made
   * it run again, checkpoints are forgotten.
   */
  lost(hash: string): Promise<Loss> {
    return changeGraph(this.database, async (graph) => {
      const made = await graph.tx.query('SELECT FROM job_output WHERE hash = $1', [hash]);
      const resumable = await graph.tx.query('SELECT FROM checkpoint WHERE hash = $1', [hash]);
      await rerunProducers(graph, hash);
      if (made.rowCount !== 0) return 'being made again';
      if (resumable.rowCount !== 0) return 'not needed';
      const { rows } = await graph.tx.query<{ named: boolean }>(
        `SELECT EXISTS (SELECT FROM job WHERE kind IN ('import', 'weights')
           AND coalesce(params->>'source', params->>'file') = $1)
           OR EXISTS (SELECT FROM dataset_version WHERE version = $1)
           OR EXISTS (SELECT FROM artifact WHERE hash = $1 AND kind = 'upload') AS named`,
        [hash],
      );
      return rows[0]?.named === true ? 'cannot be made again' : 'not needed';
    });
  }
}
