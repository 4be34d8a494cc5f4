import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import type { Queryable } from './database.js';

const migrationsFolder = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../../../prisma/migrations',
);

// The key and the table are those of Prisma's own `migrate deploy`, so either may run after the other.
const prismaLock = '72707369';
const ledger = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz, migration_name varchar(255) NOT NULL,
  logs text, rolled_back_at timestamptz, started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`;

/**
 * Brings the database to the schema of this checkout: every folder of prisma/migrations not yet recorded is applied,
 * each in one transaction. Any number of processes may call it at once.
 *
 * @throws Error when a recorded migration was changed afterwards, or one fails (its name and PostgreSQL's reason)
 */
export async function migrate(url: string): Promise<{ applied: string[] }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(`SELECT pg_advisory_lock(${prismaLock})`);
    await client.query(ledger);
    const { rows } = await client.query<{ migration_name: string; checksum: string }>(
      'SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
    );
    const recorded = new Map(rows.map((row) => [row.migration_name, row.checksum]));
    const applied: string[] = [];
    for (const name of (await readdir(migrationsFolder)).sort()) {
      if (!/^\d+_/.test(name)) continue;
      const sql = await readFile(path.join(migrationsFolder, name, 'migration.sql'), 'utf8');
      const checksum = createHash('sha256').update(sql).digest('hex');
      const before = recorded.get(name);
      if (before === checksum) continue;
      if (before !== undefined) {
        throw new Error(
          `migration ${name} was changed after it was applied: restore it and add a new one instead`,
        );
      }
      await apply(client, name, sql, checksum);
      applied.push(name);
    }
    return { applied };
  } finally {
    await client.end();
  }
}

/** Which migrations of this checkout a database lacks, and which it has that this checkout does not know. */
export async function migrationState(database: Queryable): Promise<{ lacking: string[]; unknown: string[] }> {
  const { rows: ledgers } = await database.query<{ there: boolean }>(
    `SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`,
  );
  const { rows } = ledgers[0]?.there
    ? await database.query<{ name: string }>(
        'SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
      )
    : { rows: [] };
  const recorded = new Set(rows.map(({ name }) => name));
  const ours = new Set((await readdir(migrationsFolder)).filter((name) => /^\d+_/.test(name)));
  return {
    lacking: [...ours].filter((name) => !recorded.has(name)).sort(),
    unknown: [...recorded].filter((name) => !ours.has(name)).sort(),
  };
}

async function apply(client: pg.Client, name: string, sql: string, checksum: string): Promise<void> {
  try {
    await client.query('BEGIN');
    await client.query(sql);
    await client.query(
      'INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ($1, $2, $3, now(), 1)',
      [randomUUID(), checksum, name],
    );
    await client.query('COMMIT');
  } catch (cause) {
    await client.query('ROLLBACK');
    throw new Error(`migration ${name} failed: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}
