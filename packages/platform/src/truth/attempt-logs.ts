import { logLine, type AttemptLog, type AttemptState, type LogLine } from '@ferment/contracts';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { Database, Queryable } from '../postgres/database.js';
import { ArtifactCorrupt, type ArtifactStore } from '../store/artifact-store.js';
import { ArtifactRecords } from './artifacts.js';

const compressed = promisify(gzip);
const decompressed = promisify(gunzip);

/** What is told of a log at once. */
export interface LogAppend {
  /** Numbered without gaps; none where only `closed` or `leaveOut` is told. */
  lines: readonly LogLine[];
  /** Lines that are not kept any longer: those between the two numbers, exclusive and inclusive. */
  leaveOut?: { after: number; through: number };
  /** There will be no more lines. */
  closed?: boolean;
}

const appendSql = `
  WITH log AS (
    INSERT INTO attempt_log (job_id, attempt, lines, closed)
    SELECT job_id, number, $3, $7 FROM attempt WHERE job_id = $1 AND number = $2
    ON CONFLICT (job_id, attempt) DO UPDATE
      SET lines = greatest(attempt_log.lines, excluded.lines), closed = attempt_log.closed OR excluded.closed
      WHERE attempt_log.hash IS NULL
    RETURNING job_id, attempt
  ), left_out AS (
    DELETE FROM log_chunk c USING log l WHERE c.job_id = l.job_id AND c.attempt = l.attempt AND c.from_line > $5 AND c.to_line <= $6
  ), told AS (
    INSERT INTO log_chunk (job_id, attempt, from_line, to_line, lines)
    SELECT job_id, attempt, $8, $3, $4::json FROM log WHERE $8::int IS NOT NULL
    ON CONFLICT DO NOTHING
  )
  SELECT FROM log`;

export async function appendLog(
  on: Queryable,
  jobId: string,
  attempt: number,
  { lines, leaveOut, closed }: LogAppend,
): Promise<boolean> {
  const { rowCount } = await on.query(appendSql, [
    jobId,
    attempt,
    lines.at(-1)?.line ?? 0,
    JSON.stringify(lines),
    leaveOut?.after ?? 0,
    leaveOut?.through ?? 0,
    closed ?? false,
    lines[0]?.line ?? null,
  ]);
  return rowCount === 1;
}

/** Which part of a log. */
export interface LogPart {
  /** Lines after this one. */
  cursor: number;
  /** The last so many only. */
  tail?: number | undefined;
  /** Milliseconds since the epoch. */
  since?: number | undefined;
  limit: number;
}

/** A log whose worker does not close it is over this long after its attempt. */
const silenceSeconds = 15;

interface LogState {
  state: AttemptState;
  lines: number;
  whole: boolean;
  hash: string | null;
}

/** Logs of attempts, be they rows or files already. */
export class AttemptLogs {
  constructor(
    private readonly database: Database,
    private readonly store: Pick<ArtifactStore, 'read' | 'quarantine'>,
  ) {}

  /**
   * A part of an attempt's log; null when there is no such attempt. Where lines were left out, one says so.
   *
   * @throws ArtifactMissing, ArtifactCorrupt where the log's file is lost
   */
  async read(jobId: string, attempt: number, part: LogPart): Promise<AttemptLog | null> {
    const state = await this.stateOf(jobId, attempt);
    if (!state) return null;
    const after = Math.max(part.cursor, part.tail === undefined ? 0 : state.lines - part.tail);
    const kept = state.hash === null ? await this.rows(jobId, attempt, after) : await this.file(state.hash);
    // It became a file between the two questions.
    if (kept === null) return this.read(jobId, attempt, part);
    const known = kept.filter(({ line }) => line > after && line <= state.lines);
    const all = withGaps(known, after).filter(({ time }) => time >= (part.since ?? 0));
    const lines = all.slice(0, part.limit);
    const more = all.length > part.limit;
    const cursor = more ? (lines.at(-1)?.line ?? after) : Math.max(part.cursor, state.lines);
    return { jobId, attempt, lines, cursor, more, ended: state.whole && !more };
  }

  private async stateOf(jobId: string, attempt: number): Promise<LogState | null> {
    const { rows } = await this.database.pool.query<LogState>(
      `SELECT a.state, coalesce(l.lines, 0) AS lines, l.hash, a.state <> 'running' AND (coalesce(l.closed, false)
         OR l.hash IS NOT NULL OR a.ended_at < clock_timestamp() - $3::float8 * interval '1 second') AS whole
       FROM attempt a LEFT JOIN attempt_log l ON l.job_id = a.job_id AND l.attempt = a.number
       WHERE a.job_id = $1 AND a.number = $2`,
      [jobId, attempt, silenceSeconds],
    );
    return rows[0] ?? null;
  }

  /** Null where the log is a file by now. */
  private async rows(jobId: string, attempt: number, after: number): Promise<LogLine[] | null> {
    const { rows } = await this.database.pool.query<{ hash: string | null; lines: LogLine[] | null }>(
      `SELECT l.hash, c.lines FROM attempt_log l
       LEFT JOIN log_chunk c ON c.job_id = l.job_id AND c.attempt = l.attempt AND c.to_line > $3
       WHERE l.job_id = $1 AND l.attempt = $2 ORDER BY c.from_line`,
      [jobId, attempt, after],
    );
    if (rows.some(({ hash }) => hash !== null)) return null;
    return rows.flatMap(({ lines }) => lines ?? []);
  }

  private async file(hash: string): Promise<LogLine[]> {
    const bytes = await this.store.read(hash).catch(async (error: unknown) => {
      if (error instanceof ArtifactCorrupt)
        await this.store.quarantine(hash, `reading a log: ${error.message}`);
      throw error;
    });
    const text = (await decompressed(bytes)).toString();
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => logLine.parse(JSON.parse(line)));
  }
}

/**
 * Says where lines were left out, in the place of the last of them.
 *
 * @param after the line before the first one
 */
function withGaps(lines: readonly LogLine[], after: number): LogLine[] {
  let before = after;
  return lines.flatMap((line) => {
    const missing = line.line - before - 1;
    before = line.line;
    if (missing === 0) return [line];
    const left = missing === 1 ? '1 line is' : `${missing} lines are`;
    const text = `… ${left} left out: of a long log only its beginning and its end are kept`;
    return [{ line: line.line - 1, time: line.time, source: 'worker' as const, text }, line];
  });
}

/** Attempts whose logs are whole and not files yet. A worker that was cut off has `lateSeconds` to add its last lines. */
export async function dueLogs(
  on: Queryable,
  { settledSeconds, lateSeconds }: { settledSeconds: number; lateSeconds: number },
  limit = 200,
): Promise<{ jobId: string; attempt: number }[]> {
  const { rows } = await on.query<{ jobId: string; attempt: number }>(
    `SELECT l.job_id AS "jobId", l.attempt FROM attempt_log l JOIN attempt a ON a.job_id = l.job_id AND a.number = l.attempt
     WHERE l.hash IS NULL AND a.state <> 'running'
       AND a.ended_at < clock_timestamp() - CASE WHEN l.closed THEN $1::float8 ELSE $2::float8 END * interval '1 second'
     LIMIT $3`,
    [settledSeconds, lateSeconds, limit],
  );
  return rows;
}

/**
 * Makes an ended attempt's log a file: stored and read back first, then referred to in the transaction that drops the
 * rows. A log that grew meanwhile is left for another time.
 */
export async function archiveLog(
  database: Database,
  store: ArtifactStore,
  { jobId, attempt }: { jobId: string; attempt: number },
): Promise<boolean> {
  const { rows } = await database.pool.query<{ lines: LogLine[] }>(
    'SELECT lines FROM log_chunk WHERE job_id = $1 AND attempt = $2 ORDER BY from_line',
    [jobId, attempt],
  );
  const lines = rows.flatMap((chunk) => chunk.lines);
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const records = new ArtifactRecords(database, store);
  const file = await records.add(await compressed(text), 'log');
  await store.read(file.hash);
  return database.transaction(async (tx) => {
    const log = await tx.query<{ lines: number }>(
      'SELECT lines FROM attempt_log WHERE job_id = $1 AND attempt = $2 AND hash IS NULL FOR UPDATE',
      [jobId, attempt],
    );
    if ((log.rows[0]?.lines ?? -1) !== (lines.at(-1)?.line ?? 0)) return false;
    await records.hold(tx, file, 'log');
    await tx.query('UPDATE attempt_log SET hash = $3, closed = true WHERE job_id = $1 AND attempt = $2', [
      jobId,
      attempt,
      file.hash,
    ]);
    await tx.query('DELETE FROM log_chunk WHERE job_id = $1 AND attempt = $2', [jobId, attempt]);
    return true;
  });
}
