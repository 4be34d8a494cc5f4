import type { DatasetItem, DatasetSummary } from '@ferment/contracts';
import type { Database } from '../postgres/database.js';

interface VersionRow {
  name: string;
  version: string;
  bytes: number;
  createdAt: Date;
  summary: DatasetSummary;
  jobId: string | null;
}

/** A version with the data set it belongs to, and the job that made it. */
export type FoundVersion = DatasetItem['versions'][number] & { dataset: string; jobId: string | null };

/** Data sets and their immutable versions, newest first. Versions are made by `import` and `refine` jobs. */
export class Datasets {
  constructor(private readonly database: Database) {}

  async list(): Promise<DatasetItem[]> {
    return grouped(await this.versions('true', []));
  }

  async get(name: string): Promise<DatasetItem | null> {
    return grouped(await this.versions('d.name = $1', [name]))[0] ?? null;
  }

  /** The version with this content hash, under whichever name came first. */
  async version(hash: string): Promise<FoundVersion | null> {
    return foundOf((await this.versions('v.version = $1', [hash]))[0]);
  }

  /** One version of one data set. */
  async versionOf(name: string, hash: string): Promise<FoundVersion | null> {
    return foundOf((await this.versions('d.name = $1 AND v.version = $2', [name, hash]))[0]);
  }

  private async versions(where: string, values: unknown[]): Promise<VersionRow[]> {
    const { rows } = await this.database.pool.query<VersionRow>(
      `SELECT d.name, v.version, v.bytes, v.created_at AS "createdAt", v.summary, v.job_id AS "jobId"
       FROM dataset d JOIN dataset_version v ON v.dataset_id = d.id WHERE ${where} ORDER BY d.name, v.sequence DESC`,
      values,
    );
    return rows;
  }
}

function foundOf(row: VersionRow | undefined): FoundVersion | null {
  return row ? { dataset: row.name, jobId: row.jobId, ...itemOf(row) } : null;
}

function itemOf({ version, bytes, createdAt, summary }: VersionRow): DatasetItem['versions'][number] {
  return { version, bytes, createdAt: createdAt.toISOString(), summary };
}

function grouped(rows: readonly VersionRow[]): DatasetItem[] {
  const byName = new Map<string, DatasetItem>();
  for (const row of rows) {
    const item = byName.get(row.name) ?? { name: row.name, versions: [] };
    item.versions.push(itemOf(row));
    byName.set(row.name, item);
  }
  return [...byName.values()];
}
