import type { Queryable } from '../postgres/database.js';
import { artifactReferences, unreferencedSql } from './references.js';

/** See `Attempts.discardCheckpoints`. The event log knows every checkpoint that there ever was. */
export async function discardCheckpoints(
  tx: Queryable,
  jobId: string,
  remove: (hash: string) => Promise<void>,
): Promise<number> {
  const { rows } = await tx.query<{ hash: string }>(
    `SELECT DISTINCT e.payload->>'hash' AS hash FROM event e
     WHERE e.job_id = $1 AND e.payload->>'type' = 'checkpoint.saved'`,
    [jobId],
  );
  return discardUnreferenced(
    tx,
    rows.map(({ hash }) => hash),
    remove,
  );
}

/**
 * Forgets those of these artifacts that nothing refers to, and removes their bytes, under a lock on each one's row.
 *
 * @param remove removes one artifact from the store; must be safe to repeat
 * @returns how many were removed
 */
export async function discardUnreferenced(
  tx: Queryable,
  hashes: readonly string[],
  remove: (hash: string) => Promise<void>,
): Promise<number> {
  const unreferenced = unreferencedSql(await artifactReferences(tx));
  const locked = await tx.query<{ hash: string }>(
    `SELECT a.hash FROM artifact a WHERE a.hash = ANY($1) AND ${unreferenced} ORDER BY a.hash FOR UPDATE`,
    [hashes],
  );
  // Asked again: what referred to one of them before we had the lock is seen only now.
  const { rows } = await tx.query<{ hash: string }>(
    `DELETE FROM artifact a WHERE a.hash = ANY($1) AND ${unreferenced} RETURNING a.hash`,
    [locked.rows.map(({ hash }) => hash)],
  );
  for (const { hash } of rows) await remove(hash);
  return rows.length;
}
