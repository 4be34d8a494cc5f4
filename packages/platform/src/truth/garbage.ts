import type { ArtifactReference, GarbageReport } from '@ferment/contracts';
import type { Database, Queryable } from '../postgres/database.js';
import type { ArtifactStore, StoredArtifact } from '../store/artifact-store.js';
import { ArtifactRecords } from './artifacts.js';
import { changeGraph } from './graph.js';
import { artifactReferences, unreferencedSql, wantedSql } from './references.js';
import { refuseEmptyStore } from './verify.js';

export interface CollectOptions {
  /** How long something must have been of no use; 0 deletes at once. */
  graceSeconds: number;
  /** Deletes nothing, and says what would be deleted. */
  dryRun: boolean;
  /** Deletes what was taken out of use as damaged, too, once it is older than the grace. */
  quarantine?: boolean;
  /** Stops after this many seconds, with `complete: false`; asked again it goes on. */
  limitSeconds?: number;
}

/** Jobs, artifacts and events that are deleted in one transaction. */
const jobsAtOnce = 200;
const artifactsAtOnce = 25;
const eventsAtOnce = 5000;
/** Missing artifacts that a report lists. */
const listed = 100;
/** A writer that is at work is never silent for so long: its temporary file is left alone whatever the grace. */
const writerSeconds = 15 * 60;

interface Collected extends ArtifactReference {
  kind: string | null;
}

/**
 * Deletes what nothing refers to: jobs that no experiment wants (with their curves, attempts and outputs), the
 * events that tell of what is gone, then artifacts that no job has, then what lies in the store unknown to the database.
 *
 * The order of locks that makes it safe beside everything else:
 * - jobs are deleted under the graph's lock, as jobs are planned, claimed and completed under it;
 * - whoever is about to store an artifact notes it first ({@link Attempts.publish}, {@link ArtifactRecords.add});
 *   here the artifact's row is locked, looked at again, deleted, and its bytes removed before the transaction ends. So
 *   either the note is seen and the bytes stay, or it waits until they are gone and they are stored after that.
 */
export class GarbageCollector {
  private readonly records: ArtifactRecords;

  constructor(
    private readonly database: Database,
    private readonly store: ArtifactStore,
  ) {
    this.records = new ArtifactRecords(database, store);
  }

  /**
   * Notes since when jobs and artifacts have been of no use, and forgets it of those that are again. To be called now
   * and then: the grace counts from the first time that it was seen here.
   */
  async mark(): Promise<void> {
    await this.database.pool.query(
      `DELETE FROM publication p WHERE NOT EXISTS (
         SELECT FROM attempt a WHERE a.job_id = p.job_id AND a.number = p.attempt AND a.state = 'running')`,
    );
    await this.database.transaction(async (tx) => {
      await tx.query(
        `UPDATE job SET unwanted_at = clock_timestamp() WHERE id IN (${lockedSql('job', 'id', `unwanted_at IS NULL AND NOT ${isKept}`)})`,
      );
      await tx.query(
        `UPDATE job SET unwanted_at = NULL WHERE id IN (${lockedSql('job', 'id', `unwanted_at IS NOT NULL AND ${isKept}`)})`,
      );
    });
    await this.database.transaction(async (tx) => {
      const unreferenced = unreferencedSql(await artifactReferences(tx));
      await tx.query(
        `UPDATE artifact SET unreferenced_at = clock_timestamp() WHERE hash IN (
           ${lockedSql('artifact', 'hash', `unreferenced_at IS NULL AND ${unreferenced}`)})`,
      );
      await tx.query(
        `UPDATE artifact SET unreferenced_at = NULL WHERE hash IN (
           ${lockedSql('artifact', 'hash', `unreferenced_at IS NOT NULL AND NOT (${unreferenced})`)})`,
      );
    });
  }

  async collect(options: CollectOptions): Promise<GarbageReport> {
    const ends = performance.now() + (options.limitSeconds ?? Infinity) * 1000;
    const late = (): boolean => performance.now() > ends;
    await refuseEmptyStore(this.database, this.store);
    await this.mark();
    const report = emptyReport(options);
    const before = await this.ago(options.graceSeconds);
    if (options.dryRun) await this.survey(report, before);
    else {
      report.complete = (await this.deleteJobs(report, before, late)) && report.complete;
      report.complete = (await this.deleteEvents(before, late)) && report.complete;
      report.complete = (await this.deleteArtifacts(report, before, late)) && report.complete;
    }
    await this.strays(report, before, options);
    await this.waiting(report, before);
    return report;
  }

  /** The database's clock some seconds ago: all times that are compared with it are the database's. */
  private async ago(seconds: number): Promise<Date> {
    const { rows } = await this.database.pool.query<{ time: Date }>(
      `SELECT clock_timestamp() - $1::float8 * interval '1 second' AS time`,
      [seconds],
    );
    return rows[0]?.time ?? new Date(0);
  }

  /** What {@link deleteJobs} and {@link deleteArtifacts} would delete. */
  private async survey(report: GarbageReport, before: Date): Promise<void> {
    const { tx } = { tx: this.database.pool };
    const jobs = await tx.query<{ n: number }>('SELECT count(*)::int AS n FROM job WHERE unwanted_at <= $1', [
      before,
    ]);
    report.jobs = jobs.rows[0]?.n ?? 0;
    const { rows } = await tx.query<{ kind: string | null; count: number; bytes: number }>(
      `WITH doomed AS (SELECT id FROM job WHERE unwanted_at <= $1)
       SELECT a.kind, count(*)::int AS count, sum(a.bytes)::bigint AS bytes FROM artifact a
       WHERE (a.unreferenced_at IS NULL OR a.unreferenced_at <= $1)
         AND ${unreferencedSql(await artifactReferences(tx), 'doomed')} GROUP BY a.kind`,
      [before],
    );
    for (const { kind, count, bytes } of rows) add(report, kind, count, bytes);
  }

  /** From the leaves on, so that no job ever lacks an input. @returns false when time was up */
  private async deleteJobs(report: GarbageReport, before: Date, late: () => boolean): Promise<boolean> {
    for (;;) {
      if (late()) return false;
      const deleted = await changeGraph(this.database, ({ tx }) => deleteSomeJobs(tx, before));
      if (deleted === 0) return true;
      report.jobs += deleted;
    }
  }

  /** Events of experiments and jobs that are there no more, and of what belongs to neither. */
  private async deleteEvents(before: Date, late: () => boolean): Promise<boolean> {
    for (;;) {
      if (late()) return false;
      const { rowCount } = await this.database.pool.query(
        `DELETE FROM event WHERE id IN (
           SELECT id FROM event e WHERE time <= $1
             AND NOT EXISTS (SELECT FROM experiment x WHERE x.id = e.experiment_id)
             AND NOT EXISTS (SELECT FROM job j WHERE j.id = e.job_id)
           ORDER BY id LIMIT ${eventsAtOnce})`,
        [before],
      );
      if ((rowCount ?? 0) < eventsAtOnce) return true;
    }
  }

  private async deleteArtifacts(report: GarbageReport, before: Date, late: () => boolean): Promise<boolean> {
    for (let after = ''; ;) {
      if (late()) return false;
      const { deleted, last } = await this.deleteSomeArtifacts(before, after);
      for (const { kind, bytes } of deleted) add(report, kind, 1, bytes);
      if (last === null) return true;
      after = last;
    }
  }

  private deleteSomeArtifacts(
    before: Date,
    after: string,
  ): Promise<{ deleted: Collected[]; last: string | null }> {
    return this.database.transaction(async (tx) => {
      const unreferenced = unreferencedSql(await artifactReferences(tx));
      const locked = await tx.query<{ hash: string }>(
        `SELECT a.hash FROM artifact a WHERE a.unreferenced_at <= $1 AND a.hash > $2 AND ${unreferenced}
         ORDER BY a.hash LIMIT ${artifactsAtOnce} FOR UPDATE`,
        [before, after],
      );
      const hashes = locked.rows.map(({ hash }) => hash);
      // Asked again: what referred to one of them, or was stored anew, before we had the lock is seen only now.
      const { rows } = await tx.query<Collected>(
        `DELETE FROM artifact a WHERE a.hash = ANY($1) AND a.unreferenced_at <= $2 AND ${unreferenced}
         RETURNING a.hash, a.bytes, a.kind`,
        [hashes, before],
      );
      // Before the transaction ends: a crash in between leaves a row that nothing refers to, for the next time.
      await Promise.all(rows.map(({ hash }) => this.store.delete(hash)));
      return { deleted: rows, last: hashes.at(-1) ?? null };
    });
  }

  /** What the store and the database do not agree about, and what writers that died left behind. */
  private async strays(
    report: GarbageReport,
    before: Date,
    { dryRun, quarantine = false, limitSeconds = Infinity }: CollectOptions,
  ): Promise<void> {
    const stored = new Map<string, StoredArtifact>();
    for await (const artifact of this.store.list()) stored.set(artifact.hash, artifact);
    const known = await this.known();
    // However long the list took: each time something is deleted, so that asking again comes to an end.
    const ends = performance.now() + limitSeconds * 1000;
    const late = (): boolean => performance.now() > ends;
    for (const artifact of stored.values()) {
      if (known.has(artifact.hash) || artifact.writtenAt > before) continue;
      if (late()) report.complete = false;
      else if (dryRun) {
        if (!(await this.isNamed(artifact.hash))) add(report, 'unknown', 1, artifact.bytes);
      } else if (await this.adopt(artifact)) {
        const { deleted } = await this.deleteOne(artifact.hash);
        if (deleted) add(report, 'unknown', 1, artifact.bytes);
      }
    }
    const missing = [...known].filter((hash) => !stored.has(hash));
    await this.reportMissing(report, missing, dryRun);
    const silentSince = new Date(Math.min(before.getTime(), Date.now() - writerSeconds * 1000));
    for await (const leftover of this.store.leftovers(silentSince)) {
      if (!dryRun) await this.store.removeLeftover(leftover);
      add(report, 'temporary', 1, leftover.bytes);
    }
    for await (const damaged of this.store.quarantined()) {
      report.quarantined.count += 1;
      report.quarantined.bytes += damaged.bytes;
      if (!quarantine || damaged.at > before) continue;
      if (!dryRun) await this.store.discard(damaged);
      add(report, 'quarantined', 1, damaged.bytes);
    }
  }

  private async known(): Promise<Set<string>> {
    const { rows } = await this.database.pool.query<{ hash: string }>('SELECT hash FROM artifact');
    return new Set(rows.map(({ hash }) => hash));
  }

  private async isNamed(hash: string): Promise<boolean> {
    const { rows } = await this.database.pool.query<{ named: boolean }>(
      `SELECT NOT (${unreferencedSql([])}) AS named FROM (SELECT $1::text AS hash) a`,
      [hash],
    );
    return rows[0]?.named ?? false;
  }

  /** Gives bytes that the database does not know a row: then they are deleted like all others. */
  private async adopt({ hash, bytes, writtenAt }: StoredArtifact): Promise<boolean> {
    const { rowCount } = await this.database.pool.query(
      `INSERT INTO artifact (hash, bytes, unreferenced_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
      [hash, bytes, writtenAt],
    );
    return rowCount === 1;
  }

  private deleteOne(hash: string): Promise<{ deleted: boolean }> {
    return this.database.transaction(async (tx) => {
      const unreferenced = unreferencedSql(await artifactReferences(tx));
      await tx.query('SELECT FROM artifact WHERE hash = $1 FOR UPDATE', [hash]);
      const { rowCount } = await tx.query(
        `DELETE FROM artifact a WHERE a.hash = $1 AND a.unreferenced_at IS NOT NULL AND ${unreferenced}`,
        [hash],
      );
      if (rowCount === 1) await this.store.delete(hash);
      return { deleted: rowCount === 1 };
    });
  }

  /** Rows without bytes that something needs: the jobs that made them run again. */
  private async reportMissing(
    report: GarbageReport,
    hashes: readonly string[],
    dryRun: boolean,
  ): Promise<void> {
    const { rows } = await this.database.pool.query<ArtifactReference & { made: boolean }>(
      `SELECT a.hash, a.bytes, EXISTS (SELECT FROM job_output o WHERE o.hash = a.hash) AS made
       FROM artifact a WHERE a.hash = ANY($1) AND (
         EXISTS (SELECT FROM job_output o JOIN job j ON j.id = o.job_id WHERE o.hash = a.hash AND j.state = 'succeeded')
         OR EXISTS (SELECT FROM checkpoint c WHERE c.hash = a.hash)
         OR NOT (${unreferencedSql([])})) ORDER BY a.hash`,
      [hashes],
    );
    for (const { hash, bytes, made } of rows) {
      // Written since the store was listed.
      if ((await this.store.has(hash)) !== null) continue;
      const loss = dryRun
        ? made
          ? 'being made again'
          : 'cannot be made again'
        : await this.records.lost(hash);
      report.missing.count += 1;
      if (report.missing.artifacts.length < listed)
        report.missing.artifacts.push({ hash, bytes, outcome: loss });
    }
  }

  /** What is of no use, and not for long enough. */
  private async waiting(report: GarbageReport, before: Date): Promise<void> {
    const { rows } = await this.database.pool.query<{ jobs: number; artifacts: number; bytes: number }>(
      `SELECT (SELECT count(*)::int FROM job WHERE unwanted_at > $1) AS jobs, count(*)::int AS artifacts,
         coalesce(sum(bytes), 0)::bigint AS bytes FROM artifact WHERE unreferenced_at > $1`,
      [before],
    );
    if (rows[0]) report.waiting = rows[0];
  }
}

/** A condition: job `a` is wanted, or behind the inputs of one that is. Written so that many jobs are joined by hashes. */
const isKept = `EXISTS (
  SELECT FROM (
    WITH RECURSIVE kept AS (
      SELECT j.id FROM job j WHERE ${wantedSql}
      UNION
      SELECT d.from_job_id FROM kept k JOIN job_dependency d ON d.job_id = k.id)
    SELECT id FROM kept) k WHERE k.id = a.id)`;

/** Rows that others are working on are left for the next time. */
function lockedSql(table: 'job' | 'artifact', key: 'id' | 'hash', condition: string): string {
  return `SELECT ${key} FROM ${table} a WHERE ${condition} ORDER BY ${key} FOR UPDATE SKIP LOCKED`;
}

async function deleteSomeJobs(tx: Queryable, before: Date): Promise<number> {
  const { rows } = await tx.query<{ id: string }>(
    `SELECT j.id FROM job j WHERE j.unwanted_at <= $1 AND NOT ${wantedSql}
       AND NOT EXISTS (SELECT FROM job_dependency d WHERE d.from_job_id = j.id)
     ORDER BY j.id LIMIT ${jobsAtOnce} FOR UPDATE`,
    [before],
  );
  if (rows.length === 0) return 0;
  const ids = rows.map(({ id }) => id);
  const references = await artifactReferences(tx);
  const hashes = new Set<string>();
  for (const { table, column, ofJob } of references) {
    if (!ofJob) continue;
    const had = await tx.query<{ hash: string }>(
      `SELECT ${column} AS hash FROM ${table} WHERE job_id = ANY($1) AND ${column} IS NOT NULL`,
      [ids],
    );
    for (const { hash } of had.rows) hashes.add(hash);
  }
  const files = await tx.query<{ hash: string }>(
    `SELECT coalesce(params->>'source', params->>'file') AS hash FROM job
     WHERE id = ANY($1) AND kind IN ('import', 'weights')`,
    [ids],
  );
  for (const { hash } of files.rows) hashes.add(hash);
  await tx.query('DELETE FROM dataset_version WHERE job_id = ANY($1)', [ids]);
  await tx.query('DELETE FROM job WHERE id = ANY($1)', [ids]);
  // What these jobs had has been of no use as long as they were.
  await tx.query(
    `UPDATE artifact a SET unreferenced_at = $2 WHERE a.hash = ANY($1) AND a.unreferenced_at IS NULL
       AND ${unreferencedSql(references)}`,
    [[...hashes].sort(), before],
  );
  return ids.length;
}

function emptyReport({ dryRun, graceSeconds }: CollectOptions): GarbageReport {
  return {
    dryRun,
    graceSeconds,
    complete: true,
    jobs: 0,
    artifacts: {},
    waiting: { jobs: 0, artifacts: 0, bytes: 0 },
    missing: { count: 0, artifacts: [] },
    quarantined: { count: 0, bytes: 0 },
  };
}

function add(report: GarbageReport, kind: string | null, count: number, bytes: number): void {
  const sum = (report.artifacts[kind ?? 'other'] ??= { count: 0, bytes: 0 });
  sum.count += count;
  sum.bytes += bytes;
}
