import type { JobParams, PlannedJob } from '@ferment/contracts';
import type { Queryable } from '../postgres/database.js';
import { NotFound } from './errors.js';

/** A column with a foreign key to `artifact`. */
interface Reference {
  table: string;
  column: string;
  /** The row belongs to a job, in its column `job_id`. */
  ofJob: boolean;
}

/** All columns that refer to artifacts, from the database's own catalog: none can be forgotten here. */
export async function artifactReferences(tx: Queryable): Promise<Reference[]> {
  const { rows } = await tx.query<Reference>(
    `SELECT c.conrelid::regclass::text AS "table", quote_ident(a.attname) AS "column", EXISTS (
       SELECT FROM pg_attribute j WHERE j.attrelid = c.conrelid AND j.attname = 'job_id' AND NOT j.attisdropped) AS "ofJob"
     FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
     WHERE c.contype = 'f' AND c.confrelid = 'artifact'::regclass ORDER BY 1, 2`,
  );
  return rows;
}

/** Files that jobs name in their parameters rather than as outputs of other jobs (`job_file_idx`). */
export const namedFile = (job: string): string =>
  `${job}.kind IN ('import', 'weights') AND coalesce(${job}.params->>'source', ${job}.params->>'file')`;

/**
 * A condition: nothing refers to artifact `a`.
 *
 * @param asIfDeleted a relation with a column `id`: jobs whose references do not count
 */
export function unreferencedSql(references: readonly Reference[], asIfDeleted: string | null = null): string {
  const counts = (job: string): string =>
    asIfDeleted === null ? '' : ` AND NOT EXISTS (SELECT FROM ${asIfDeleted} x WHERE x.id = ${job})`;
  const keys = references.map(
    ({ table, column, ofJob }) =>
      `NOT EXISTS (SELECT FROM ${table} r WHERE r.${column} = a.hash${ofJob ? counts('r.job_id') : ''})`,
  );
  return [
    ...keys,
    `NOT EXISTS (SELECT FROM job f WHERE ${namedFile('f')} = a.hash${counts('f.id')})`,
    `NOT EXISTS (SELECT FROM dataset_version v WHERE v.version = a.hash${
      asIfDeleted === null ? '' : ` AND (v.job_id IS NULL OR (true${counts('v.job_id')}))`
    })`,
  ].join('\n  AND ');
}

/**
 * A condition: something wants job `j` for itself. A version of a data set that was imported or reviewed is kept; one
 * that an experiment refined, as long as an experiment uses it, a spec names it (perhaps in a variant) or another version
 * was made of it. A table that is shown stays until the next one is there.
 */
export const wantedSql = `(j.state = 'running'
  OR (j.standalone AND j.state IN ('pending', 'ready', 'blocked'))
  OR EXISTS (SELECT FROM demand d WHERE d.job_id = j.id)
  OR EXISTS (SELECT FROM trial_job t WHERE t.job_id = j.id)
  OR EXISTS (SELECT FROM experiment e WHERE e.table_job_id = j.id)
  OR EXISTS (SELECT FROM experiment e JOIN job_output o ON o.hash = e.table_hash WHERE o.job_id = j.id)
  OR EXISTS (SELECT FROM dataset_version v WHERE v.job_id = j.id AND (j.standalone
    OR EXISTS (SELECT FROM experiment e, json_array_elements(e.datasets) used WHERE used->>'version' = v.version)
    OR EXISTS (SELECT FROM experiment e WHERE strpos(e.spec::text, v.version) > 0)
    OR EXISTS (SELECT FROM dataset_version child WHERE child.summary->'parent'->>'version' = v.version))))`;

/**
 * Keeps the uploads that new jobs name: what is being collected at this moment is waited for, and then missed.
 *
 * @throws NotFound when one of them was collected meanwhile
 */
export async function keepNamedFiles(
  tx: Queryable,
  jobs: readonly Pick<PlannedJob, 'kind' | 'params'>[],
): Promise<void> {
  const named = jobs.flatMap(({ kind, params }) => {
    if (kind === 'import') return [(params as JobParams<'import'>).source];
    return kind === 'weights' ? [(params as JobParams<'weights'>).file] : [];
  });
  if (named.length === 0) return;
  const known = 'SELECT hash FROM artifact WHERE hash = ANY($1) ORDER BY hash';
  const before = await tx.query<{ hash: string }>(known, [named]);
  const kept = await tx.query<{ hash: string }>(`${known} FOR KEY SHARE`, [named]);
  const gone = before.rows.find(({ hash }) => !kept.rows.some((row) => row.hash === hash));
  if (gone) throw new NotFound(`the uploaded file ${gone.hash} has just been deleted: upload it again`);
}
