import type { ArtifactReference } from '@ferment/contracts';
import type { Database, Queryable } from '../postgres/database.js';
import { ArtifactMissing, type ArtifactStore, type Content } from '../store/artifact-store.js';
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
   * Stores a file that no job makes. Its name is noted before its bytes are shown, so that it cannot be collected in
   * between; from then on it is kept for the grace time, or as long as something refers to it.
   *
   * @param kind what it is for: `upload` of what somebody sends in
   * @throws whatever `content` throws; nothing is stored then
   */
  async add(content: Content, kind: 'upload' | 'curve' | 'log'): Promise<ArtifactReference> {
    const staged = await this.store.stage(content);
    try {
      const { hash, bytes } = staged;
      if (bytes > 0) {
        await this.note({ hash, bytes }, kind);
        await staged.publish();
      }
      return { hash, bytes };
    } finally {
      await staged.discard();
    }
  }

  /** Notes a file that is in the store: its grace time begins anew where nothing refers to it. */
  note(file: ArtifactReference, kind: 'upload' | 'curve' | 'log' = 'upload'): Promise<void> {
    return this.database.transaction(async (tx) => {
      await recordArtifacts(tx, [file], [kind]);
    });
  }

  /**
   * Holds a file that was added, in the transaction that refers to it: until that ends, nothing collects it.
   *
   * @throws ArtifactMissing where it was collected since, which takes a grace time of almost nothing
   */
  async hold(tx: Queryable, file: ArtifactReference, kind: 'curve' | 'log'): Promise<void> {
    await recordArtifacts(tx, [file], [kind]);
    await tx.query('SELECT FROM artifact WHERE hash = $1 FOR KEY SHARE', [file.hash]);
    if ((await this.store.has(file.hash)) === null) throw new ArtifactMissing(file.hash);
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
           OR EXISTS (SELECT FROM metric_curve WHERE hash = $1)
           OR EXISTS (SELECT FROM attempt_log WHERE hash = $1)
           OR EXISTS (SELECT FROM artifact WHERE hash = $1 AND kind = 'upload') AS named`,
        [hash],
      );
      return rows[0]?.named === true ? 'cannot be made again' : 'not needed';
    });
  }
}
