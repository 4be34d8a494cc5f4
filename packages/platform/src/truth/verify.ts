import type { ArtifactReference, Verification } from '@ferment/contracts';
import type { Database } from '../postgres/database.js';
import { ArtifactMissing, sha256OfStream, type ArtifactStore } from '../store/artifact-store.js';
import { ArtifactRecords } from './artifacts.js';
import { StoreEmpty } from './errors.js';

/** Rows that are asked for at once. */
const pageSize = 100;

/**
 * Reads artifacts in the order of their hashes and takes out of use what is damaged; what made them runs again.
 *
 * @param after the hash to go on behind; all of them without one
 * @param limitSeconds ends after the artifact that is being read then, with `next`
 */
export async function verifyArtifacts(
  database: Database,
  store: ArtifactStore,
  { after = '', limitSeconds = Infinity }: { after?: string | undefined; limitSeconds?: number } = {},
): Promise<Verification> {
  const records = new ArtifactRecords(database, store);
  const ends = performance.now() + limitSeconds * 1000;
  const total = await database.pool.query<{ count: number; bytes: number }>(
    'SELECT count(*)::int AS count, coalesce(sum(bytes), 0)::bigint AS bytes FROM artifact',
  );
  const found: Verification = {
    checked: 0,
    bytes: 0,
    total: total.rows[0] ?? { count: 0, bytes: 0 },
    corrupt: [],
    missing: [],
    next: null,
  };
  await refuseEmptyStore(database, store);
  for (let last = after; ;) {
    const { rows } = await database.pool.query<ArtifactReference>(
      `SELECT hash, bytes FROM artifact WHERE hash > $1 ORDER BY hash LIMIT ${pageSize}`,
      [last],
    );
    for (const artifact of rows) {
      const state = await verifyOne(store, artifact.hash);
      if (state !== 'sound') {
        const outcome = await records.lost(artifact.hash);
        // Of a row whose bytes are gone and that nothing needs, the garbage collector takes care.
        if (state === 'corrupt' || outcome !== 'not needed') found[state].push({ ...artifact, outcome });
      }
      found.checked += 1;
      found.bytes += artifact.bytes;
      last = artifact.hash;
      if (performance.now() > ends) return { ...found, next: last };
    }
    if (rows.length < pageSize) return found;
  }
}

/** @throws StoreEmpty where the store has not one file and the database knows some */
export async function refuseEmptyStore(database: Database, store: ArtifactStore): Promise<void> {
  const { done } = await store.list()[Symbol.asyncIterator]().next();
  if (done !== true) return;
  const { rows } = await database.pool.query<{ known: number }>(
    'SELECT count(*)::int AS known FROM artifact',
  );
  if ((rows[0]?.known ?? 0) > 0) throw new StoreEmpty(rows[0]?.known ?? 0);
}

/** What was found; damaged bytes are in quarantine then. */
async function verifyOne(store: ArtifactStore, hash: string): Promise<'sound' | 'corrupt' | 'missing'> {
  try {
    const read = await sha256OfStream(await store.get(hash));
    if (read === hash) return 'sound';
    const outcome = await store.quarantine(hash, `an audit read the SHA-256 ${read}`);
    return outcome === 'sound' ? 'sound' : 'corrupt';
  } catch (error) {
    if (error instanceof ArtifactMissing) return 'missing';
    throw error;
  }
}
